// SPDX-License-Identifier: Apache-2.0
//
// A node:test reporter for test.mjs: one JSON line when a test starts and one when it ends, so that
// a killed file still shows which test was running. Suites, and parents that failed only by their
// children, are not tests of their own.

// biome-ignore lint/style/noDefaultExport: node --test-reporter takes the default export.
export default async function* countingReporter(events) {
  for await (const event of events) {
    const line = describe(event);
    if (line !== undefined) {
      yield `${JSON.stringify(line)}\n`;
    }
  }
}

function describe({ type, data }) {
  if (type === "test:dequeue") {
    return { kind: "started", name: data.name };
  }
  if (type !== "test:pass" && type !== "test:fail") {
    return undefined;
  }
  const error = data.details?.error;
  const skipped = data.skip ?? data.todo;
  if (skipped !== undefined) {
    const reason = typeof skipped === "string" && skipped !== "" ? skipped : "no reason given";
    return { kind: "skipped", name: data.name, reason };
  }
  if (error?.failureType === "subtestsFailed" || (type === "test:pass" && isSuite(data))) {
    return { kind: "group", name: data.name };
  }
  return type === "test:pass"
    ? { kind: "passed", name: data.name }
    : { kind: "failed", name: data.name, reason: messageOf(error) };
}

function isSuite(data) {
  return data.details?.type === "suite";
}

function messageOf(error) {
  const message = error?.cause?.message ?? error?.message ?? "no message";
  return message.split("\n", 1)[0];
}
