// SPDX-License-Identifier: Apache-2.0
// Wrong pumps: the product with one of its sentences changed. A harness that does not find them out
// finds nothing. When the product's words change, so must these: a change that finds no place fails.

import type { Mutation } from "./hooks.ts";

interface Flaw {
  /** Ends the sentence "a pump that is wrong". */
  readonly why: string;
  /** The scenario that finds it out; any of the rotations without it. */
  readonly scenario?: string;
  readonly mutation: Mutation;
}

/** Without a kill these products do all that they should. */
export const flawsUnderKills: readonly Flaw[] = [
  {
    why: "since it shifts the whole chain again after a kill",
    mutation: {
      file: "/write/rotation-plan.ts",
      edits: [
        [
          "(hole <= copies && exists(hole))",
          "(hole <= copies && (exists(hole) || exists(hole + 1)))",
        ],
        [
          'steps.push({\n      kind: "rename"',
          'if (exists(index - 1)) steps.push({\n      kind: "rename"',
        ],
      ],
    },
  },
  {
    why: "since it fills stages without a note",
    mutation: {
      file: "/pump/stage-pool.ts",
      edits: [[/( {2}#write\(stage[\s\S]*?)this\.#notes\.write\([^;]*\);/, "$1"]],
    },
  },
  {
    why: "since it does not look into the stages of its predecessor",
    mutation: {
      file: "/pump/recovery.ts",
      edits: [["this.#options.pool.findAll()", "[] as FoundStage[]"]],
    },
  },
  {
    why: "since it leaves a stage full whose bytes are in the log",
    mutation: {
      file: "/write/rotating-file.ts",
      edits: [
        [/splice(?=\(pipeFd, live\.fd)/, "copied"],
        [
          "const eio =",
          `import { closeSync } from "node:fs";
        function copied(from: number, to: number, bytes: number) {
          const aside = makePipe();
          const teed = tee(from, aside.writeFd, bytes);
          if (teed === "wouldBlock") return teed;
          splice(aside.readFd, to, teed);
          readSync(from, Buffer.alloc(teed));
          closeSync(aside.readFd);
          closeSync(aside.writeFd);
          return teed;
        }
        const eio =`,
        ],
      ],
    },
  },
  {
    why: "since it notes a rotation only when that is over",
    scenario: "rotation with 0 copies of 4096 bytes",
    mutation: {
      file: "/write/log-files.ts",
      edits: [
        [
          'this.#options.journal.begin({ kind: "rotate", live: live.known() });\n    this.#state = { kind: "rotating"',
          'this.#state = { kind: "rotating"',
        ],
      ],
    },
  },
  {
    why: "since it writes a line of ours before it notes where",
    scenario: "lines of ours",
    mutation: {
      file: "/pump/due-marker.ts",
      edits: [
        [
          "positions.placeMarker(text, { offset",
          "file.writeAt(live.sizeBytes, bytes);\n    positions.placeMarker(text, { offset",
        ],
        ["return bytes;\n", "return Buffer.alloc(0);\n"],
      ],
    },
  },
  {
    why: "since it notes where the log ends only when that was shortened",
    scenario: "a lower bound, and a higher one",
    mutation: {
      file: "/write/log-files.ts",
      edits: [
        ["if (live !== undefined && live.sizeBytes > limitBytes) {", "if (false) {"],
        [
          "trim(options, bound, allowedBytes);",
          `trim(options, bound, allowedBytes);
    if (live !== undefined && live.sizeBytes > limitBytes) {
      journal.begin({ kind: "replace", live, foreignBytes: 0 });
    }`,
        ],
      ],
    },
  },
  {
    why: "since the side file is told of a new live file when that has bytes",
    mutation: {
      file: "/index/index-writer.ts",
      edits: [["this.#note(entry.base);\n    this.#write();", "this.#note(entry.base);"]],
    },
  },
  {
    why: "since it forgets what its predecessor wrote last",
    scenario: "somebody's hands on its files: unlink",
    mutation: {
      file: "/pump/recovery.ts",
      edits: [['if (note?.intent.kind === "write") this.#noteWritten(found, note);', ""]],
    },
  },
  {
    why: "since it adds to what was dropped instead of setting it",
    scenario: "a next owner of its file",
    mutation: {
      file: "/pump/recovery.ts",
      edits: [
        [
          "positions.droppedUpTo(intent.reason, fill.totalBefore + taken)",
          "positions.droppedUpTo(intent.reason, positions.dropped(intent.reason) + taken)",
        ],
      ],
    },
  },
];

/** These products are wrong while nobody kills them. */
export const flawsAtOnce: readonly Flaw[] = [
  {
    why: "since it writes on behind the end of a file that was cut",
    scenario: "somebody's hands on its files: shorten",
    mutation: {
      file: "/pump/log-sink.ts",
      edits: [['positions.record.end === null ? "whole" : "cut"', '"whole"']],
    },
  },
  {
    why: "since it makes room after the rotation",
    mutation: {
      file: "/write/rotation-plan.ts",
      edits: [
        ['hole = copies;\n    steps.push({ kind: "unlink", name: chainName(live, hole) });', ""],
        [
          "return steps;\n}",
          'if (hole > copies) steps.push({ kind: "unlink", name: chainName(live, hole) });\n  return steps;\n}',
        ],
      ],
    },
  },
  {
    why: "since it rotates a file that is not full",
    mutation: {
      file: "/write/cut.ts",
      edits: [["sizeBytes >= limitBytes)", "sizeBytes >= limitBytes / 2)"]],
    },
  },
  {
    why: "since it renames a file that is not its own",
    scenario: "somebody's hands on the files it has open: replace",
    mutation: {
      file: "/write/log-files.ts",
      edits: [
        [
          "    if (!hasName(directory, live)) this.#takeName(live, whatTookName(directory, live, live.fd));\n    return",
          "    return",
        ],
      ],
    },
  },
];
