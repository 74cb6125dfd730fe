// SPDX-License-Identifier: Apache-2.0
//
// Faults to plant, each with the tests that have to find it: the data of `npm run mutants`. `npm test`
// looks whether each can still be planted (test/ci/mutants.test.ts).

import { flawsAtOnce, flawsUnderKills } from "../test/support/crash/flaws.ts";

export interface Mutant {
  /** From the repository's root. */
  readonly file: string;
  /** What is wrong with the product then. */
  readonly what: string;
  /** What is there, exactly once unless it is a pattern, and what is to be there instead. */
  readonly edits: readonly (readonly [string | RegExp, string])[];
  readonly tests: readonly string[];
}

/** Where the code is: the one place to change when a file moves. */
const src = {
  cliExitCodes: "src/cli/invocation/exit-codes.ts",
  cliMembership: "src/cli/embedded/membership.ts",
  cliUnits: "src/cli/terminal/units.ts",
  contractAnswer: "src/contract/answer.ts",
  contractNumbers: "src/contract/numbers.ts",
  contractRequest: "src/contract/request.ts",
  contractStore: "src/contract/store.ts",
  daemonCollectDeadDomains: "src/daemon/collect/dead-domains.ts",
  daemonCollectFifoSweep: "src/daemon/collect/fifo-sweep.ts",
  daemonPumpsPoolChoice: "src/daemon/pumps/pool-choice.ts",
  daemonRequestsDecide: "src/daemon/requests/decide.ts",
  daemonSharedDaemon: "src/daemon/shared-daemon.ts",
  fifoDrain: "src/fifo/drain.ts",
  fifoReadingEnd: "src/fifo/reading-end.ts",
  fifoFifo: "src/fifo/fifo.ts",
  fifoHasWriter: "src/fifo/has-writer.ts",
  logfileDirectory: "src/logfile/files/directory.ts",
  logfileCut: "src/logfile/write/cut.ts",
  logfileDurability: "src/logfile/write/durability.ts",
  logfileLogIndex: "src/logfile/index/log-index.ts",
  logfileReader: "src/logfile/read/reader.ts",
  logfileSideFile: "src/logfile/index/side-file.ts",
  logfileTrim: "src/logfile/write/trim.ts",
  observeRateLimit: "src/observe/rate-limit.ts",
  programIdentity: "src/program/identity.ts",
  pumpNote: "src/pump/note.ts",
  pumpPositions: "src/pump/positions.ts",
  pumpMover: "src/pump/mover.ts",
  pumpOpenStreams: "src/pump/open-streams.ts",
  pumpSuccession: "src/pump/succession.ts",
  pumpRecovery: "src/pump/recovery.ts",
  pumpStagePool: "src/pump/stage-pool.ts",
  pumpOutlet: "src/pump/outlet.ts",
  pumpRetryRound: "src/pump/retry-round.ts",
  pumpTokenBucket: "src/pump/token-bucket.ts",
  pumpTransition: "src/pump/transition.ts",
  vaultServiceManager: "src/vault/service-manager.ts",
  vaultStagePools: "src/vault/stage-pools.ts",
  vaultVault: "src/vault/vault.ts",
  vaultVaultProcess: "src/vault/vault-process.ts",
  xenstoreServerAccess: "src/xenstore/server/access.ts",
  xenstoreServerQuota: "src/xenstore/server/quota.ts",
  xenstoreServerTransaction: "src/xenstore/server/transaction.ts",
  xenstoreServerWatches: "src/xenstore/server/watches.ts",
} as const;

const test = {
  callOrder: "test/integration/pump/call-order.test.ts",
  conformance: "test/system/conformance.test.ts",
  contractNumbers: "test/unit/contract/numbers.test.ts",
  contractRequest: "test/unit/contract/request.test.ts",
  contractStore: "test/integration/toolstack/contract.test.ts",
  contractTree: "test/unit/contract/tree.test.ts",
  crashPoints: "test/integration/pump/crash-points.test.ts",
  cut: "test/unit/logfile/cut.test.ts",
  emptiedStore: "test/integration/daemon/emptied-store.test.ts",
  fifo: "test/unit/fifo/fifo.test.ts",
  formats: "test/unit/cli/formats.test.ts",
  identity: "test/unit/program/identity.test.ts",
  inheritedStages: "test/integration/vault/inherited-stages.test.ts",
  logSink: "test/unit/pump/log-sink.test.ts",
  messages: "test/integration/pump/messages.test.ts",
  modelTransactions: "test/model/xenstore/transactions.test.ts",
  poolChoice: "test/unit/daemon/pool-choice.test.ts",
  rateLimit: "test/unit/observe/rate-limit.test.ts",
  readerRace: "test/unit/logfile/reader-race.test.ts",
  reconcile: "test/unit/daemon/decide.test.ts",
  refusedRun: "test/integration/stories/cli-create.test.ts",
  serverLimits: "test/unit/xenstore/server-limits.test.ts",
  serviceManager: "test/unit/daemon/service-manager.test.ts",
  sharedDaemon: "test/integration/daemon/shared-daemon.test.ts",
  sideFile: "test/unit/logfile/side-file.test.ts",
  overflow: "test/integration/pump/overflow.test.ts",
  tokenBucket: "test/unit/pump/token-bucket.test.ts",
  streamState: "test/unit/pump/stream-state.test.ts",
  sweep: "test/unit/daemon/fifo-sweep.test.ts",
  vault: "test/unit/vault/vault.test.ts",
} as const;

export const mutants: readonly Mutant[] = [
  {
    file: src.fifoFifo,
    what: "a FIFO of another user is accepted",
    edits: [["stat.uid !== user", "stat.uid < 0"]],
    tests: [test.fifo],
  },
  {
    file: src.fifoFifo,
    what: "a FIFO with a second name is accepted",
    edits: [["stat.nlink > 1", "stat.nlink > 2"]],
    tests: [test.fifo],
  },
  {
    file: src.fifoFifo,
    what: "a FIFO that others may open is accepted",
    edits: [["mode !== requiredMode", "(mode & 0o007) !== 0"]],
    tests: [test.fifo],
  },
  {
    file: src.fifoFifo,
    what: "the name is removed whatever FIFO has it now",
    edits: [["found.ino !== mine.ino", "found.ino < 0n"]],
    tests: [test.fifo],
  },
  {
    file: src.fifoReadingEnd,
    what: "the old reading end is closed before the new one is opened",
    edits: [
      [
        "const old = this.#fd;",
        'const { openSync } = process.getBuiltinModule("node:fs"); const old = openSync("/proc/self/fd/" + this.#fd, 0o10000000); closeSync(this.#fd);',
      ],
    ],
    tests: [test.callOrder],
  },
  {
    file: src.fifoHasWriter,
    what: "bytes without a writer are not seen",
    edits: [["1) !== 0", '1) === "wouldBlock"']],
    tests: [test.sweep],
  },
  {
    file: src.daemonCollectFifoSweep,
    what: "an orphan is collected after a minute",
    edits: [["60 * 60 * 1000", "60 * 1000"]],
    tests: [test.sweep],
  },
  {
    file: src.daemonCollectFifoSweep,
    what: "a FIFO that a request names is collected",
    edits: [["if (named.has(path)) return false;", ""]],
    tests: [test.sweep],
  },
  {
    file: src.daemonCollectDeadDomains,
    what: "domains of a store that lost everything count in the next one",
    edits: [["this.#introduced.clear()", "this.#introduced.size"]],
    tests: [test.emptiedStore],
  },
  {
    file: src.daemonCollectDeadDomains,
    what: "nodes of domains that live are collected",
    edits: [["if (await this.#client.isDomainIntroduced(domid)) return;", ""]],
    tests: [test.emptiedStore],
  },
  {
    file: src.logfileDurability,
    what: "a shortened file takes its name before it is on the disk",
    edits: [['if (this.#policy.kind !== "none") syncNow(fd);', ""]],
    tests: [test.callOrder],
  },
  {
    file: src.logfileDurability,
    what: "the directory is not asked to the disk",
    edits: [["this.#syncDirectory(openDirectory(files));", ""]],
    tests: [test.callOrder],
  },
  {
    file: src.logfileDurability,
    what: "files are asked to the disk though the policy is none",
    edits: [['if (this.#policy.kind !== "none") this.#sync(files);', "this.#sync(files);"]],
    tests: [test.callOrder],
  },
  {
    file: src.logfileTrim,
    what: "a file is shown before it is shortened to its last lines",
    edits: [["onShortened(to);", ""]],
    tests: [test.callOrder],
  },
  {
    file: src.logfileReader,
    what: "the reader does not look a second time",
    edits: [[" || !isSame(index, this.#index())", ""]],
    tests: [test.readerRace],
  },
  {
    file: src.logfileReader,
    what: "the reader takes the file that has the name now",
    edits: [
      ["if (!isFile(fileOf(fstatSync(fd)), file)) return undefined;", ""],
      [" || !isSame(index, this.#index())", ""],
    ],
    tests: [test.readerRace],
  },
  {
    file: src.logfileCut,
    what: "a file is filled beyond its last newline",
    edits: [["bytes: newline + 1", "bytes: newline + 2"]],
    tests: [test.cut],
  },
  {
    file: src.logfileCut,
    what: "a line is cut though the file ends with a whole one",
    edits: [['endsLine() ? { kind: "rotate" } :', ""]],
    tests: [test.cut],
  },
  {
    file: src.logfileLogIndex,
    what: "an offset of the next epoch is read as this one's",
    edits: [["place >= next.start", "place > next.start"]],
    tests: [test.sideFile],
  },
  {
    file: src.logfileDirectory,
    what: "a file with a second name is accepted as a new log",
    edits: [["stat.nlink !== 1", "stat.nlink > 2"]],
    tests: [test.logSink],
  },
  {
    file: src.logfileDirectory,
    what: "a second name that others give to a log of ours stalls it",
    edits: [["if (!isOwn && stat", "if (stat"]],
    tests: [test.logSink],
  },
  {
    file: src.logfileSideFile,
    what: "a slot with a wrong checksum is believed",
    edits: [["crc32(text) !== Number.parseInt", "0 > Number.parseInt"]],
    tests: [test.sideFile],
  },
  {
    file: src.logfileSideFile,
    what: "both slots are the same one",
    edits: [["(this.#sequence % 2) * slotBytes", "0 * slotBytes"]],
    tests: [test.sideFile],
  },
  {
    file: src.pumpSuccession,
    what: "the next owner of a file waits 1 s",
    edits: [["graceMs = 2000", "graceMs = 1000"]],
    tests: [test.messages],
  },
  {
    file: src.pumpSuccession,
    what: "the next owner of a file waits 5 s",
    edits: [["graceMs = 2000", "graceMs = 5000"]],
    tests: [test.messages],
  },
  {
    file: src.pumpOpenStreams,
    what: "the last epoch of a FIFO ends before the next one begins",
    edits: [
      [
        'if (this.#start(record) === "opened") this.#release(reader);',
        "this.#release(reader);\n        this.#start(record);",
      ],
    ],
    tests: [test.callOrder],
  },
  {
    file: src.pumpMover,
    what: "what is taken at once does not grow",
    edits: [["Math.min(2 * bytesMax, stage.capacityBytes)", "bytesMax"]],
    tests: [test.callOrder],
  },
  {
    file: src.pumpMover,
    what: "as much as a stage holds is taken from the first time on",
    edits: [["takeBytesMin = 65_536", "takeBytesMin = 1 << 20"]],
    tests: [test.callOrder],
  },
  {
    file: src.pumpStagePool,
    what: "a pipe is taken for a stage whatever its inode",
    edits: [["stat.ino !== location.inode", "stat.ino < 0"]],
    tests: [test.messages],
  },
  {
    file: src.pumpRecovery,
    what: "the line about a loss stands behind what came later",
    edits: [
      ["for (const stage of found.filter(isLost)) this.#recoverLost(stage);", ""],
      [
        "for (const stage of found) if (!isLost(stage)) this.#recover(stage);",
        "for (const stage of found) if (!isLost(stage)) this.#recover(stage);\n    for (const stage of found.filter(isLost)) this.#recoverLost(stage);",
      ],
    ],
    tests: [test.messages],
  },
  {
    file: src.pumpPositions,
    what: "a lost stage is counted each time that it is found",
    edits: [['if (lostStages.includes(stageInode)) return "countedBefore";', ""]],
    tests: [test.crashPoints],
  },
  {
    file: src.pumpPositions,
    what: "the end is not noted before the files change",
    edits: [["this.#update({ end, inserted", "this.#update({ inserted"]],
    tests: [test.crashPoints],
  },
  {
    file: src.pumpPositions,
    what: "a rotation is not noted before it begins",
    edits: [["this.#update({ end, isRotating: true });", ""]],
    tests: [test.crashPoints],
  },
  {
    file: src.pumpPositions,
    what: "what writers sent is not noted",
    edits: [["writeWritten(this.#fd, this.#writtenBytes);", ""]],
    tests: [test.crashPoints],
  },
  {
    file: src.pumpNote,
    what: "a stage is empty as soon as it is full",
    edits: [['fillKinds.indexOf("filled")', 'fillKinds.indexOf("empty")']],
    tests: [test.crashPoints],
  },
  {
    file: src.pumpTransition,
    what: "a stream is closed though its nodes are there",
    edits: [
      [
        'return { state, effects: [{ kind: "reopen" }] };\n    case "overRate":\n      return',
        'return close;\n    case "overRate":\n      return',
      ],
    ],
    tests: [test.streamState],
  },
  {
    file: src.pumpRetryRound,
    what: "a file system that refuses is tried again after a minute",
    edits: [["tickMs = 100;", "tickMs = 60_000;"]],
    tests: [test.overflow],
  },
  {
    file: src.pumpRetryRound,
    what: "a log that accepts bytes again does not hurry the others",
    edits: [["if (accepted === 0) {", "if (accepted >= 0) {"]],
    tests: [test.overflow],
  },
  {
    file: src.pumpOutlet,
    what: "what is dropped gets no line in the log",
    edits: [['if (marked === "marked") totals', 'if (marked === "unmarked") totals']],
    tests: [test.overflow],
  },
  {
    file: src.pumpTokenBucket,
    what: "a log that was quiet may have more than a burst",
    edits: [["Math.min(burstBytes, this.#tokens +", "Math.max(0, this.#tokens +"]],
    tests: [test.tokenBucket],
  },
  {
    file: src.programIdentity,
    what: "a process is known by pid and boot",
    edits: [["now?.startTicks === identity.startTicks", "now !== undefined"]],
    tests: [test.identity],
  },
  {
    file: src.programIdentity,
    what: "a process is known by pid and start time",
    edits: [["&& now.bootId === identity.bootId", ""]],
    tests: [test.identity],
  },
  {
    file: src.programIdentity,
    what: "a zombie runs",
    edits: [['|| state === "Z"', ""]],
    tests: [test.identity],
  },
  {
    file: src.cliMembership,
    what: "every run takes itself for the last",
    edits: [["if (!(await isLast(lock))) return;", "await isLast(lock);"]],
    tests: [test.sharedDaemon],
  },
  {
    file: src.daemonSharedDaemon,
    what: "a daemon ends when it has no stream, whoever is there",
    edits: [["if (hasClients(places)) return;", ""]],
    tests: [test.sharedDaemon],
  },
  {
    file: src.daemonSharedDaemon,
    what: "a daemon ends though a writer is there",
    edits: [["if (streams.live.length === 0) onUnneeded();", "onUnneeded();"]],
    tests: [test.sharedDaemon],
  },
  {
    file: src.daemonSharedDaemon,
    what: "a daemon never ends by itself",
    edits: [['(path, "shared") && isLocked', '(path, "shared") || isLocked']],
    tests: [test.sharedDaemon],
  },
  {
    file: src.daemonRequestsDecide,
    what: "nodes that are written again end the stream",
    edits: [['kind: "nodesBack", epoch', 'kind: "nodesGone", epoch']],
    tests: [test.reconcile],
  },
  {
    file: src.daemonRequestsDecide,
    what: "the file of a request that is served changes",
    edits: [['["file", "overflow"]', '["overflow"]']],
    tests: [test.reconcile],
  },
  {
    file: src.daemonRequestsDecide,
    what: "an error that is there already is written again",
    edits: [["if (nodes.error === error && stream.error === error) return [];", ""]],
    tests: [test.reconcile],
  },
  {
    file: src.daemonRequestsDecide,
    what: "a request that failed is not drained",
    edits: [
      [
        'if (nodes.state === "failed") return [{ kind: "drainRefused", pipe }];',
        'if (nodes.state === "failed") return [];',
      ],
    ],
    tests: [test.reconcile],
  },
  {
    file: src.contractNumbers,
    what: "one domid too many",
    edits: [["domidMax = 32751", "domidMax = 32752"]],
    tests: [test.contractNumbers],
  },
  {
    file: src.contractNumbers,
    what: "a number has two spellings",
    edits: [["(0|[1-9][0-9]*)", "[0-9]+"]],
    tests: [test.contractNumbers],
  },
  {
    file: src.contractRequest,
    what: "more bytes are allowed than can be counted",
    edits: [["BigInt(copies + 1)", "BigInt(copies)"]],
    tests: [test.contractRequest],
  },
  {
    file: src.contractRequest,
    what: "a log may have the name of a side file",
    edits: [['name.startsWith(".")', 'name.startsWith("..")']],
    tests: [test.contractRequest],
  },
  {
    file: src.contractStore,
    what: "a node that everybody may write is trusted",
    edits: [["if (mayWrite(owner))", "if (false)"]],
    tests: [test.contractTree],
  },
  {
    file: src.contractStore,
    what: "a node that another domain may write is trusted",
    edits: [["other.domid !== 0 && mayWrite(other)", "other.domid < 0"]],
    tests: [test.contractTree],
  },
  {
    file: src.contractAnswer,
    what: "a late answer brings nodes back",
    edits: [['if (foundPipe !== pipe) return "gone";', ""]],
    tests: [test.contractStore],
  },
  {
    file: src.cliExitCodes,
    what: "a refused request has the code of a time-out",
    edits: [
      [
        "refused: exitCode.refused,\n  timeout: exitCode.timeout,\n};",
        "refused: exitCode.timeout,\n  timeout: exitCode.timeout,\n};",
      ],
    ],
    tests: [test.refusedRun],
  },
  {
    file: src.cliUnits,
    what: "1024.0 KiB is printed",
    edits: [["1023.5", "1025"]],
    tests: [test.formats],
  },
  {
    file: src.xenstoreServerWatches,
    what: "a watch does not see what is below it",
    edits: [["levels <= watch.depth", "levels < watch.depth"]],
    tests: [test.serverLimits],
  },
  {
    file: src.xenstoreServerWatches,
    what: "one client's watch keeps another's from being set",
    edits: [["watch.owner === owner && watch.token", "watch.token"]],
    tests: [test.conformance],
  },
  {
    file: src.xenstoreServerTransaction,
    what: "a transaction does not see that a node has changed",
    edits: [
      ["?.generation !== generation) return undefined;", "?.generation !== generation) continue;"],
    ],
    tests: [test.modelTransactions],
  },
  {
    file: src.xenstoreServerAccess,
    what: "a domain may write what it may read",
    edits: [
      [
        'access === "w" || entry.access === "b"',
        'access === "w" || entry.access === "b" || entry.access === "r"',
      ],
    ],
    tests: [test.conformance],
  },
  {
    file: src.xenstoreServerQuota,
    what: "a quota of 0 allows nothing",
    edits: [["quotas[name] === 0 ?", "quotas[name] < 0 ?"]],
    tests: [test.serverLimits],
  },
  {
    file: src.vaultServiceManager,
    what: "descriptors for another process are taken",
    edits: [[" || LISTEN_PID !== String(pid)", ""]],
    tests: [test.serviceManager],
  },
  {
    file: src.vaultStagePools,
    what: "inherited stages are closed before the pump has started",
    edits: [
      [
        "if (stored !== undefined && has.length === 0) this.#restored",
        "for (const fd of stored ?? []) setImmediate(() => closeSync(fd));\n      if (stored !== undefined && has.length === 0) this.#restored",
      ],
    ],
    tests: [test.inheritedStages],
  },
  {
    file: src.vaultStagePools,
    what: "some of the stages are taken for all",
    edits: [["const isWhole = fds.length === stages.length;", "const isWhole = fds.length > 0;"]],
    tests: [test.inheritedStages],
  },
  {
    file: src.vaultStagePools,
    what: "a process whose stages cannot be copied is not needed",
    edits: [['pool.kind === "unshared" && pool.holder.token === token', 'pool.kind === "lost"']],
    tests: [test.vault],
  },
  {
    file: src.vaultVaultProcess,
    what: "a process is ended by its pid and start time, whatever it is",
    edits: [
      [
        "isAlive(identity) && isOwn(pid) && tokenIn(argumentsOf(pid), directory) === token",
        "isAlive(identity)",
      ],
    ],
    tests: [test.vault],
  },
  {
    file: src.vaultVaultProcess,
    what: "a process of another user is ours",
    edits: [["isOwn(pid) && ", ""]],
    tests: [test.vault],
  },
  {
    file: src.vaultVaultProcess,
    what: "a process of another directory is ours",
    edits: [[" && ofDirectory === directory", ""]],
    tests: [test.vault],
  },
  {
    file: src.vaultVaultProcess,
    what: "a process that no state file names stays",
    edits: [
      [
        "!known.some((vault) => vault.token === token)) endGroup(pid)",
        "known.length < 0) endGroup(pid)",
      ],
    ],
    tests: [test.vault],
  },
  {
    file: src.vaultVault,
    what: "an earlier process ends before its FIFOs are open",
    edits: [
      ['this.#state === "restoring" || this.#current === undefined', "this.#current === undefined"],
    ],
    tests: [test.vault],
  },
  {
    file: src.vaultVault,
    what: "the process before stays beside the next one",
    edits: [["before?.end();", ""]],
    tests: [test.vault],
  },
  {
    file: src.daemonPumpsPoolChoice,
    what: "stages are found by the device number alone",
    edits: [["if (own !== undefined) return { name: own.name, contents };", ""]],
    tests: [test.poolChoice],
  },
  {
    file: src.observeRateLimit,
    what: "reports of many subjects are not bounded",
    edits: [["if (this.#reportedAtMs.size >= this.#options.subjectsMax) return false;", ""]],
    tests: [test.rateLimit],
  },
  ...[...flawsUnderKills, ...flawsAtOnce].map(({ why, mutation }) => ({
    file: fileOf(mutation.file),
    what: `a pump that is wrong ${why}`,
    edits: mutation.edits,
    tests: [test.crashPoints],
  })),
];

/** The file that a flaw names by the end of its path. */
function fileOf(end: string): string {
  return end.startsWith("/pump/") ? `src${end}` : `src/logfile${end}`;
}

/** The source with the fault. Throws if it cannot be planted, or in more than one place. */
export function plant({ edits }: Mutant, source: string): string {
  let faulty = source;
  for (const [from, to] of edits) {
    const places = typeof from === "string" ? faulty.split(from).length - 1 : 1;
    const next =
      typeof from === "string" ? faulty.replace(from, () => to) : faulty.replace(from, to);
    if (places !== 1 || next === faulty) throw new Error(`${places} places for ${String(from)}`);
    faulty = next;
  }
  return faulty;
}
