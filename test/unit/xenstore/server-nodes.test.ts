// SPDX-License-Identifier: Apache-2.0
// What the conformance suite does not ask of requests on nodes, or of CONTROL: a listing in many
// parts, and words of our own.

import assert from "node:assert/strict";
import { test } from "node:test";
import { scenario } from "./scenario.ts";

test("control tells its commands", () => {
  const { play } = scenario();
  assert.deepEqual(play("a CONTROL help|"), ["a< check\t\nhelp\t\nprint\t<string>\n|"]);
  assert.deepEqual(play("a CONTROL help|x|"), ["a< !EINVAL"]);
});

test("names that fill more than one message are listed in parts of one generation", () => {
  const { play, arrange } = scenario();
  const names = Array.from({ length: 500 }, (_, number) => `name-number-${number}`);
  for (const name of names) arrange(`a WRITE /big/${name}|`);
  assert.deepEqual(play("a DIRECTORY /big|"), ["a< !E2BIG"]);

  const listed: string[] = [];
  const generations = new Set<string>();
  for (let offset = 0, last = false; !last; ) {
    const [reply = ""] = play(`a DIRECTORY_PART /big|${offset}|`);
    assert.ok(reply.length <= 4096 + "a< ".length);
    const [, generation = "", piece = ""] = /^a< (\d+)\|(.*)$/.exec(reply) ?? [];
    generations.add(generation);
    last = piece === "|" || piece.endsWith("||");
    listed.push(...piece.split("|").filter((name) => name !== ""));
    offset += piece.length;
  }
  assert.deepEqual(new Set(listed), new Set(names));
  assert.equal(listed.length, names.length);
  assert.equal(generations.size, 1);

  const [before] = play("a DIRECTORY_PART /big|99999|");
  assert.match(before ?? "", /^a< \d+\|\|$/, "behind the end there is an empty string");
  arrange("a WRITE /big/name-number-1/below|");
  assert.deepEqual(play("a DIRECTORY_PART /big|99999|"), [before], "not the directory's change");
  arrange("a RM /big/name-number-1|");
  assert.notDeepEqual(play("a DIRECTORY_PART /big|99999|"), [before]);
});
