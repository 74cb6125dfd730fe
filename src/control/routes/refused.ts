// SPDX-License-Identifier: Apache-2.0
// Answers that refuse a request, in one sentence each.

import type { ErrorBody } from "../api/index.ts";

/** No request has a body worth reading; this keeps a careless client from filling our memory. */
export const requestBodyBytesMax = 4096;

type RefusedCode = "tooLarge" | "badTimeout" | "noSuchStream" | "noSuchPath";

const sentences: Readonly<Record<RefusedCode, string>> = {
  tooLarge: `the request has more than ${requestBodyBytesMax} bytes`,
  badTimeout: "timeoutMs is not a decimal number of milliseconds",
  noSuchStream: "there is no stream of that epoch",
  noSuchPath: "the control API has no such path",
};

export function refused(status: number, code: RefusedCode): Response {
  return failed(status, code, sentences[code]);
}

export function failed(status: number, code: string, message: string): Response {
  const body: ErrorBody = { error: { code, message } };
  return Response.json(body, { status });
}
