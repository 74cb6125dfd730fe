// SPDX-License-Identifier: Apache-2.0
// Where in xenstore a request is: decimal numbers without leading zeros, and nowhere else.

import { accepted, type Kind, noRequest, type Row } from "../table.ts";

const domids: readonly string[] = [
  "032751",
  "00",
  "32752",
  "32758",
  "65535",
  "4294967296",
  "-1",
  "0x5",
  "5e0",
  "5_0",
  "dom5",
  "pci",
  "Logging",
  "9".repeat(40),
];

const ids: readonly string[] = [
  "01",
  "00",
  "-1",
  "-0",
  "2147483648",
  "4294967297",
  "9007199254740993",
  "9".repeat(40),
  "0x1",
  "1e3",
  "1_",
  "1-1",
  "a",
  "console",
  "@1",
];

function noRequestAt(it: string, at: string): Row {
  return { it, at: () => at, answer: () => noRequest };
}

const elsewhere: readonly (readonly [string, string])[] = [
  ["below another request", "/libxl/31001/logging/1/1"],
  ["in logging itself", "/libxl/31002/logging"],
  ["beside logging", "/libxl/31003/1"],
  ["two loggings deep", "/libxl/31004/logging/logging/1"],
  ["in the domain's own directory", "/local/domain/31005/logging/1"],
  ["in /vm", "/vm/31006/logging/1"],
  ["in another letter case", "/libxl/31007/Logging/1"],
  ["under the name of the host", "/libxl/host/logging/1"],
];

export const places: Kind = {
  kind: "places in xenstore",
  rows: [
    ...domids.map((domid) =>
      noRequestAt(`domid ${domid.slice(0, 12)} is no domain's`, `/libxl/${domid}/logging/1`),
    ),
    ...ids.map(
      (id): Row => ({
        // contract: C3
        it: `id ${id.slice(0, 20)} is no request's`,
        at: ({ domid }) => `/libxl/${domid}/logging/${id}`,
        answer: () => noRequest,
      }),
    ),
    ...elsewhere.map(([what, at]) => noRequestAt(`a request ${what} is none`, at)),
    ...["0", "2", "2147483647"].map(
      (id): Row => ({
        it: `id ${id} is one`,
        at: ({ domid }) => `/libxl/${domid}/logging/${id}`,
        answer: () => accepted,
      }),
    ),
  ],
};
