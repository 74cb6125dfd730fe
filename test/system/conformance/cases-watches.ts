// SPDX-License-Identifier: Apache-2.0
// WATCH, UNWATCH, RESET_WATCHES: who is told of what, and in which order.

import { type Case, otherwise } from "./case-language.ts";

export const watches: readonly Case[] = [
  {
    name: "a watch is answered first and then fires once, whether or not the node exists",
    rows: [
      ["a WATCH /tool|t|", "a< OK", "a* /tool t"],
      ["a WATCH /nope|t|", "a< OK", "a* /nope t"],
      ["a WATCH @other|t|", "a< OK", "a* @other t"],
      ["a WATCH /w||", "a< OK", "a* /w "],
    ],
  },
  {
    name: "path and token together name a watch of a connection",
    rows: [
      ["a WATCH /w|t|", "a< OK", "a* /w t"],
      ["a WATCH /w|t|", "a< !EEXIST"],
      ["a WATCH /w/x|u|", "a< OK", "a* /w/x u"],
      ["b WATCH /w|t|", "b< OK", "b* /w t"],
      ["a UNWATCH /w|x|", "a< !ENOENT"],
      ["c WRITE /w|", "c< OK", "a* /w t", "b* /w t"],
      ["a UNWATCH /w|t|", "a< OK"],
      ["a UNWATCH /w|t|", "a< !ENOENT"],
      ["c WRITE /w|", "c< OK", "b* /w t"],
    ],
  },
  {
    name: "events come before the reply to their cause, for the node and what is below it",
    rows: [
      ["a WATCH /t/w|t|", "a< OK", "a* /t/w t"],
      ["a WRITE /t/w|v", "a* /t/w t", "a< OK"],
      ["a WRITE /t/w|v", "a* /t/w t", "a< OK"],
      ["a WRITE /t/w/x/y/z|v", "a* /t/w/x/y/z t", "a< OK"],
      ["a MKDIR /t/w/m|", "a* /t/w/m t", "a< OK"],
      ["a MKDIR /t/w/m|", "a< OK"],
      ["a SET_PERMS /t/w|n0|", "a* /t/w t", "a< OK"],
      ["a RM /t/w/m|", "a* /t/w/m t", "a< OK"],
      ["a RM /t/w/m|", "a< OK"],
      ["a WRITE /t|v", "a< OK"],
      ["a WRITE /t/wother|v", "a< OK"],
      ["a WRITE /t/w/x.y|v", "a< !EINVAL"],
      ["a READ /t/w|", "a< v"],
    ],
  },
  {
    name: "the watches of one path are told in the order of their setting",
    rows: [
      ["a WATCH /w|t1|", "a< OK", "a* /w t1"],
      ["a WATCH /w|t2|", "a< OK", "a* /w t2"],
      [
        "b WRITE /w|",
        "b< OK",
        "a* /w t1",
        "a* /w t2",
        otherwise("last-watch-first", "b< OK", "a* /w t2", "a* /w t1"),
      ],
    ],
  },
  {
    name: "a removal tells the watches above once, and those of removed nodes by their own path",
    rows: [
      ["a WRITE /w/x/y|", "a< OK"],
      ["a WATCH /w|top|", "a< OK", "a* /w top"],
      ["b WATCH /w/x|mid|", "b< OK", "b* /w/x mid"],
      ["c WATCH /w/x/y|low|", "c< OK", "c* /w/x/y low"],
      ["d WATCH /w/none|none|", "d< OK", "d* /w/none none"],
      [
        "e RM /w|",
        "e< OK",
        "a* /w top",
        "b* /w/x mid",
        "c* /w/x/y low",
        otherwise(
          "removal-tells-missing-nodes",
          "e< OK",
          "a* /w top",
          "b* /w/x mid",
          "c* /w/x/y low",
          "d* /w/none none",
        ),
      ],
    ],
  },
  {
    name: "below a removed node come children before their parents, then the watches above",
    rows: [
      ["a WRITE /w/x/y|", "a< OK"],
      ["a WRITE /w/z|", "a< OK"],
      ["a WATCH /w|top|", "a< OK", "a* /w top"],
      ["a WATCH /w/x|mid|", "a< OK", "a* /w/x mid"],
      ["a WATCH /w/x/y|low|", "a< OK", "a* /w/x/y low"],
      ["a WATCH /w/z|z|", "a< OK", "a* /w/z z"],
      [
        "b RM /w|",
        "b< OK",
        "a* /w/x/y low",
        "a* /w/x mid",
        "a* /w/z z",
        "a* /w top",
        otherwise(
          "removal-tells-top-first",
          "b< OK",
          "a* /w top",
          "a* /w/x mid",
          "a* /w/x/y low",
          "a* /w/z z",
        ),
      ],
    ],
  },
  {
    name: "a watch with a relative path is told relative paths",
    rows: [
      ["a WATCH rel|t|", "a< OK", "a* rel t"],
      ["a WRITE /local/domain/0/rel/x|", "a* rel/x t", "a< OK"],
      ["a RM rel|", "a* rel t", "a< OK"],
    ],
  },
  {
    name: "a watch of the root is told of everything",
    rows: [
      ["a WATCH /|t|", "a< OK", "a* / t"],
      ["a WRITE /any/where|", "a* /any/where t", "a< OK"],
      ["a WRITE /|", "a* / t", "a< OK", otherwise("root-is-not-watched", "a< OK")],
    ],
  },
  {
    name: "watches ignore transactions",
    rows: [
      [
        "a WATCH#99 /w|t|",
        "a< OK",
        "a* /w t",
        otherwise("watches-lose-the-transaction-id", "a< OK (not its type and ids)", "a* /w t"),
      ],
      [
        "a UNWATCH#99 /w|t|",
        "a< OK",
        otherwise("watches-lose-the-transaction-id", "a< OK (not its type and ids)"),
      ],
    ],
  },
  {
    name: "changes inside a transaction are told at the commit",
    rows: [
      ["a WATCH /w|t|", "a< OK", "a* /w t"],
      ["a TRANSACTION_START |", "a< 1|"],
      ["a WRITE#1 /w/b|", "a< OK"],
      ["a WRITE#1 /w/a|", "a< OK"],
      ["a TRANSACTION_END#1 T|", "a* /w/b t", "a* /w/a t", "a< OK"],
      ["a TRANSACTION_START |", "a< 2|"],
      ["a WRITE#2 /w/b|", "a< OK"],
      ["a TRANSACTION_END#2 F|", "a< OK"],
      ["a WRITE /w|", "a* /w t", "a< OK"],
    ],
  },
  {
    name: "a commit tells each node once, and nothing of what was made and removed",
    rows: [
      ["a WATCH /w|t|", "a< OK", "a* /w t"],
      ["b TRANSACTION_START |", "b< 1|"],
      ["b WRITE#1 /w/b|", "b< OK"],
      ["b WRITE#1 /w/b|again", "b< OK"],
      ["b WRITE#1 /w/gone|", "b< OK"],
      ["b RM#1 /w/gone|", "b< OK"],
      [
        "b TRANSACTION_END#1 T|",
        "b< OK",
        "a* /w/b t",
        otherwise("commit-tells-each-request", "b< OK", "a* /w/b t", "a* /w/b t", "a* /w/gone t"),
      ],
    ],
  },
  {
    name: "reset and the end of a connection drop its watches and transactions",
    rows: [
      ["a WATCH /w|t|", "a< OK", "a* /w t"],
      ["a TRANSACTION_START |", "a< 1|"],
      ["b WATCH /w|t|", "b< OK", "b* /w t"],
      ["a RESET_WATCHES |", "a< OK"],
      ["a READ#1 /tool|", "a< !ENOENT", otherwise("unknown-transaction-is-eio", "a< !EIO")],
      ["c WRITE /w|", "c< OK", "b* /w t"],
      ["b CLOSE"],
      ["b WRITE /w|", "b< OK"],
    ],
  },
  {
    name: "watches that are none",
    rows: [
      ["a WATCH /w/|t|", "a< !EINVAL"],
      ["a WATCH /w.x|t|", "a< !EINVAL"],
      ["a WATCH |t|", "a< !EINVAL"],
      ["a WATCH /w|t", "a< !EINVAL"],
      ["a WATCH /w|", "a< !EINVAL"],
      ["a WATCH /w", "a< !EINVAL"],
      ["a UNWATCH /w|t", "a< !EINVAL"],
      ["a UNWATCH /w|", "a< !EINVAL"],
      [
        `a WATCH /${"p".repeat(2048)}|t|`,
        "a< !EINVAL",
        otherwise("watches-of-any-length", "a< OK", `a* /${"p".repeat(2048)} t`),
      ],
    ],
  },
  {
    name: "a depth limits how far below its path a watch looks",
    rows: [
      ["a WATCH /w|zero|0|", "a< !EINVAL", otherwise("features-of-4.22", "a< OK", "a* /w zero")],
      ["b WATCH /w|one|1|", "b< !EINVAL", otherwise("features-of-4.22", "b< OK", "b* /w one")],
      ["c WRITE /w|", "c< OK", otherwise("features-of-4.22", "c< OK", "a* /w zero", "b* /w one")],
      ["c WRITE /w/x|", "c< OK", otherwise("features-of-4.22", "c< OK", "b* /w/x one")],
      ["c WRITE /w/x/y|", "c< OK"],
      ["c RM /w|", "c< OK", otherwise("features-of-4.22", "c< OK", "a* /w zero", "b* /w one")],
      ["c WATCH /w|t|x|", "c< !EINVAL"],
      ["c WATCH /w|t|-1|", "c< !EINVAL"],
      ["c WATCH /w|t|0|0|", "c< !EINVAL"],
      ["c WATCH @releaseDomain|t|2|", "c< !EINVAL"],
    ],
  },
];
