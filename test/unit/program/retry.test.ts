// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it, test } from "node:test";
import {
  pause,
  RetryTimer,
  retry,
  spreadPauseMs,
  waitUntil,
} from "../../../src/program/portable/index.ts";

test("pauses double up to their maximum and are half random", () => {
  const backoff = { firstMs: 10, maxMs: 100 };
  const least = [0, 1, 2, 3, 4, 1000].map((retry) => spreadPauseMs(backoff, retry, 0));
  const most = [0, 1, 2, 3, 4, 1000].map((retry) => spreadPauseMs(backoff, retry, 1));
  assert.deepEqual(least, [5, 10, 20, 40, 50, 50]);
  assert.deepEqual(most, [10, 20, 40, 80, 100, 100]);
});

test("an abort ends the pause with its reason", async () => {
  const controller = new AbortController();
  const waiting = pause(60_000, controller.signal);
  controller.abort(new Error("enough"));
  await assert.rejects(waiting, { message: "enough" });
});

const backoff = { firstMs: 1, maxMs: 2 };

/** Fails with each of these, then succeeds. */
function failing(...reasons: readonly string[]): () => number {
  let count = 0;
  return () => {
    const reason = reasons[count];
    count += 1;
    if (reason === undefined) return count;
    throw new Error(reason);
  };
}

test("retry tries until it succeeds, and reports each reason once", async () => {
  const reported: string[] = [];
  const onFailure = (error: unknown): number => reported.push((error as Error).message);
  const tries = await retry(failing("a", "a", "b", "a", "b", "c"), { backoff, onFailure });
  assert.equal(tries, 7);
  assert.deepEqual(reported, ["a", "b", "c"]);
});

test("retry throws an error that does not pass, unreported", async () => {
  const reported: unknown[] = [];
  const running = retry(failing("a", "fatal"), {
    backoff,
    isPassing: (error) => (error as Error).message !== "fatal",
    onFailure: (error) => reported.push(error),
  });
  await assert.rejects(running, { message: "fatal" });
  assert.equal(reported.length, 1);
});

test("retry throws the last error when the time is up, without a long last pause", async () => {
  let tries = 0;
  const running = retry(
    () => {
      tries += 1;
      throw new Error(`try ${tries}`);
    },
    { backoff: { firstMs: 3_600_000, maxMs: 3_600_000 }, waitMsMax: 20 },
  );
  await assert.rejects(running, () => tries >= 2);
});

test("retry ends with the signal's reason, before a try and in a pause", async () => {
  const attempt = (): never => assert.fail("no try is due");
  const aborted = AbortSignal.abort(new Error("enough"));
  await assert.rejects(retry(attempt, { backoff, signal: aborted }), { message: "enough" });
  const controller = new AbortController();
  const running = retry(failing("a"), {
    backoff: { firstMs: 3_600_000, maxMs: 3_600_000 },
    signal: controller.signal,
    onFailure: () => controller.abort(new Error("enough")),
  });
  await assert.rejects(running, { message: "enough" });
});

test("waitUntil asks until the answer is true, or the time is up", async () => {
  let asked = 0;
  const third = async (): Promise<boolean> => {
    asked += 1;
    return asked === 3;
  };
  assert.equal(await waitUntil(third, { backoff }), true);
  assert.equal(asked, 3);
  const slow = { firstMs: 3_600_000, maxMs: 3_600_000 };
  assert.equal(await waitUntil(() => false, { backoff: slow, waitMsMax: 20 }), false);
  assert.equal(await waitUntil(() => true, { backoff, waitMsMax: 0 }), true);
});

describe("a timer for retries", () => {
  function timerWith(attempt: () => void): { timer: RetryTimer; reported: string[] } {
    const reported: string[] = [];
    const slow = { firstMs: 10, maxMs: 1000 };
    const onFailure = (reason: string): number => reported.push(reason);
    return { timer: new RetryTimer({ backoff: slow, attempt, onFailure }), reported };
  }

  it("tries after pauses that double, and reports each reason once", (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    let tries = 0;
    const { timer, reported } = timerWith(() => {
      tries += 1;
      timer.failed(tries % 2 === 0 ? "a" : "b");
    });
    timer.failed("a");
    for (const [pauseMs, expected] of [
      [9, 0],
      [1, 1],
      [19, 1],
      [1, 2],
      [39, 2],
      [1, 3],
    ] as const) {
      t.mock.timers.tick(pauseMs);
      assert.equal(tries, expected);
    }
    assert.deepEqual(reported, ["a", "b"]);
    timer.cancel();
  });

  it("begins anew after a success", (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    let tries = 0;
    const { timer, reported } = timerWith(() => {
      tries += 1;
    });
    timer.failed("a");
    t.mock.timers.tick(10);
    timer.succeeded();
    assert.equal(timer.isWaiting, false);
    timer.failed("a");
    t.mock.timers.tick(10);
    assert.equal(tries, 2);
    assert.deepEqual(reported, ["a", "a"]);
  });

  it("is not delayed by more failures, and makes no try after it is cancelled", (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    let tries = 0;
    const { timer } = timerWith(() => {
      tries += 1;
    });
    timer.failed("a");
    for (let failures = 0; failures < 9; failures += 1) {
      t.mock.timers.tick(1);
      timer.failed("a");
    }
    t.mock.timers.tick(1);
    assert.equal(tries, 1);
    timer.again();
    assert.ok(timer.isWaiting);
    timer.cancel();
    t.mock.timers.tick(10_000);
    assert.equal(tries, 1);
  });

  it("forgets the oldest of many reasons", (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const { timer, reported } = timerWith(() => undefined);
    for (let reason = 0; reason < 1000; reason += 1) timer.failed(`reason ${reason}`);
    timer.failed("reason 0");
    assert.equal(reported.length, 1001);
    timer.cancel();
  });
});
