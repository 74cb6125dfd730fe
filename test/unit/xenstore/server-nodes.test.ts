// SPDX-License-Identifier: Apache-2.0
// Requests on nodes. Expected values were observed on Debian's xenstored 4.17; where the server
// differs on purpose, the row's test says so.

import assert from "node:assert/strict";
import { test } from "node:test";
import { playTable, scenario } from "./scenario.ts";

test("a fresh store has /tool/xenstored and nothing else", () => {
  playTable([
    ["a DIRECTORY /|", "a< tool|"],
    ["a DIRECTORY /tool|", "a< xenstored|"],
    ["a READ /tool/xenstored|", "a< "],
    ["a GET_PERMS /|", "a< n0|"],
    ["a GET_PERMS /tool/xenstored|", "a< n0|"],
    ["a DIRECTORY /local|", "a< !ENOENT"],
  ]);
});

test("a write makes the parents, empty; a mkdir leaves what is there", () => {
  playTable([
    ["a WRITE /a/b/c|value", "a< OK"],
    ["a READ /a/b/c|", "a< value"],
    ["a READ /a/b|", "a< "],
    ["a MKDIR /a/b/c|", "a< OK"],
    ["a READ /a/b/c|", "a< value"],
    ["a MKDIR /a/d|", "a< OK"],
    ["a DIRECTORY /a|", "a< b|d|"],
    ["a WRITE /a/b/c|", "a< OK"],
    ["a READ /a/b/c|", "a< "],
    ["a WRITE /a|x|y", "a< OK"],
    ["a READ /a|", "a< x|y"],
    ["a WRITE /|root", "a< OK"],
    ["a READ /|", "a< root"],
  ]);
});

test("a removal takes the subtree, and forgives a missing node below an existing one", () => {
  playTable([
    ["a WRITE /a/b/c|x", "a< OK"],
    ["a RM /a/b|", "a< OK"],
    ["a READ /a/b/c|", "a< !ENOENT"],
    ["a RM /a/b|", "a< OK"],
    ["a RM /a/b/c|", "a< !ENOENT"],
    ["a RM /|", "a< !EINVAL"],
    ["a DIRECTORY /a|", "a< "],
  ]);
});

test("a path that is none is EINVAL in every request", () => {
  for (const path of ["", "/a/", "/a//b", "/a.b", "@x", `/${"p".repeat(2048)}`]) {
    playTable(
      ["READ", "DIRECTORY", "GET_PERMS", "MKDIR", "RM"].map((name) => [
        `a ${name} ${path}|`,
        "a< !EINVAL",
      ]),
    );
    playTable([
      [`a WRITE ${path}|x`, "a< !EINVAL"],
      [`a SET_PERMS ${path}|n0|`, "a< !EINVAL"],
      [`a DIRECTORY_PART ${path}|0|`, "a< !EINVAL"],
    ]);
  }
});

test("a string without its NUL, or one too many, is EINVAL as in Xen's master", () => {
  playTable([
    ["a READ /tool", "a< !EINVAL"],
    ["a READ /tool|x|", "a< !EINVAL"],
    ["a READ", "a< !EINVAL"],
    ["a WRITE /tool", "a< !EINVAL"],
    ["a WRITE |", "a< !EINVAL"],
    ["a WATCH /tool|t", "a< !EINVAL"],
    ["a WATCH /tool|", "a< !EINVAL"],
    ["a WATCH /tool|t|0|0|", "a< !EINVAL"],
    ["a SET_PERMS /tool|n0", "a< !EINVAL"],
    ["a DIRECTORY_PART /tool|", "a< !EINVAL"],
    ["a TRANSACTION_END T", "a< !EINVAL"],
  ]);
});

test("what no client may ask for is ENOSYS", () => {
  playTable([15, 16, 20, 27, 99, 65535].map((type) => [`a ${type} /tool|`, "a< !ENOSYS"]));
});

test("a relative path is below /local/domain/0", () => {
  playTable([
    ["a WRITE rel/x|v", "a< OK"],
    ["a READ /local/domain/0/rel/x|", "a< v"],
    ["a READ rel/x|", "a< v"],
  ]);
});

test("permissions are inherited, replaced as a list, and owned by domains that exist", () => {
  playTable([
    ["a WRITE /a|", "a< OK"],
    ["a SET_PERMS /a|n0|r5|", "a< OK"],
    ["a GET_PERMS /a|", "a< n0|r5|"],
    ["a WRITE /a/b/c|x", "a< OK"],
    ["a GET_PERMS /a/b/c|", "a< n0|r5|"],
    ["a SET_PERMS /a|n5|", "a< !ENOENT"],
    ["a INTRODUCE 5|1|2|", "a< OK"],
    ["a SET_PERMS /a|n5|", "a< OK"],
    ["a GET_PERMS /a|", "a< n5|"],
    ["a SET_PERMS /a|", "a< !EINVAL"],
    ["a SET_PERMS /a|x0|", "a< !EINVAL"],
    ["a SET_PERMS /nope|n0|", "a< !ENOENT"],
    ["a SET_PERMS @releaseDomain|n0|r5|", "a< OK"],
    ["a SET_PERMS @other|n0|", "a< !EINVAL"],
    ["a GET_PERMS @releaseDomain|", "a< !EINVAL"],
  ]);
});

test("an unprivileged domain does what the permissions say, and sees no more", () => {
  const { play, arrange } = scenario();
  arrange("a INTRODUCE 5|1|2|", "a INTRODUCE 6|1|2|");
  arrange("a WRITE /open|o", "a SET_PERMS /open|b0|", "a WRITE /secret/x|s");
  arrange("a WRITE /shared|v", "a SET_PERMS /shared|n0|r5|");
  arrange("a MKDIR /local/domain/5|", "a SET_PERMS /local/domain/5|n5|");
  const rows: readonly (readonly [string, string])[] = [
    ["d5 READ /secret/x|", "d5< !EACCES"],
    ["d5 READ /secret/nope|", "d5< !EACCES"],
    ["d5 READ /shared|", "d5< v"],
    ["d6 READ /shared|", "d6< !EACCES"],
    ["d5 WRITE /shared|w", "d5< !EACCES"],
    ["d5 WRITE /open/mine|x", "d5< OK"],
    ["a GET_PERMS /open/mine|", "a< b5|"],
    ["d5 READ /open/nope|", "d5< !ENOENT"],
    ["d5 WRITE own|x", "d5< OK"],
    ["a GET_PERMS /local/domain/5/own|", "a< n5|"],
    ["d6 READ /local/domain/5/own|", "d6< !EACCES"],
    ["a SET_TARGET 6|5|", "a< OK"],
    ["d6 READ /local/domain/5/own|", "d6< x"],
    ["d5 SET_PERMS own|n6|", "d5< !EPERM"],
    ["d5 SET_PERMS /open|n5|", "d5< !EACCES"],
    ["d5 SET_PERMS own|n5|r6|", "d5< OK"],
    ["d5 INTRODUCE 7|1|2|", "d5< !EACCES"],
    ["d5 RELEASE 6|", "d5< !EACCES"],
    ["d5 CONTROL check|", "d5< !EACCES"],
    ["d5 IS_DOMAIN_INTRODUCED 6|", "d5< !EACCES"],
  ];
  for (const [request, expected] of rows) assert.deepEqual(play(request), [expected], request);
});

test("an entry for a domain that did not exist does not serve a later one of that number", () => {
  const { play, arrange } = scenario();
  arrange("a WRITE /a|v", "a SET_PERMS /a|n0|r5|", "a INTRODUCE 5|1|2|");
  assert.deepEqual(play("d5 READ /a|"), ["d5< !EACCES"]);
  assert.deepEqual(play("a GET_PERMS /a|"), ["a< n0|r5|"]);
});

test("domains come and go by word alone, and what they do not own stays", () => {
  playTable([
    ["a IS_DOMAIN_INTRODUCED 0|", "a< T|"],
    ["a IS_DOMAIN_INTRODUCED 5|", "a< F|"],
    ["a RELEASE 5|", "a< !ENOENT"],
    ["a RELEASE 0|", "a< !EINVAL"],
    ["a RESUME 5|", "a< !ENOENT"],
    ["a INTRODUCE 5|1|", "a< !EINVAL"],
    ["a INTRODUCE 0|1|2|", "a< !EINVAL"],
    ["a INTRODUCE 32752|1|2|", "a< !EINVAL"],
    ["a SET_TARGET 5|6|", "a< !ENOENT"],
    ["a WATCH @introduceDomain|i|", "a< OK", "a* @introduceDomain i"],
    ["a WATCH @releaseDomain|r|", "a< OK", "a* @releaseDomain r"],
    ["b INTRODUCE 5|1|2|", "a* @introduceDomain i", "b< OK"],
    ["b INTRODUCE 5|1|2|", "b< OK"],
    ["b IS_DOMAIN_INTRODUCED 5|", "b< T|"],
    ["b RESUME 5|", "b< OK"],
    ["b WRITE /local/domain/5/x|v", "b< OK"],
    ["b RELEASE 5|", "b< OK", "a* @releaseDomain r"],
    ["b IS_DOMAIN_INTRODUCED 5|", "b< F|"],
    ["b READ /local/domain/5/x|", "b< v"],
    ["b GET_DOMAIN_PATH 7|", "b< /local/domain/7|"],
    ["b GET_DOMAIN_PATH x|", "b< /local/domain/0|"],
  ]);
});

test("control knows check, print and help", () => {
  playTable([
    ["a CONTROL check|", "a< OK"],
    ["a CONTROL print|x|", "a< OK"],
    ["a CONTROL print|", "a< !EINVAL"],
    ["a CONTROL nope|", "a< !EINVAL"],
    ["a CONTROL", "a< !EINVAL"],
    ["a CONTROL help|", "a< check\t\nhelp\t\nprint\t<string>\n|"],
  ]);
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
