// SPDX-License-Identifier: Apache-2.0
// What happens in the daemon, by name.

export type DaemonEvent =
  | { readonly kind: "DaemonStarted"; readonly version: string; readonly directory: string }
  /** `path` is null when the daemon has no file: then nothing has changed. */
  | { readonly kind: "ConfigurationReloaded"; readonly path: string | null }
  /** The configuration stays as it was. */
  | {
      readonly kind: "ConfigurationRefused";
      readonly path: string | null;
      readonly reason: string;
    }
  | { readonly kind: "DaemonStopped"; readonly strandedBytes: number | "unknown" }
  | {
      readonly kind: "StreamOpened";
      readonly key: string;
      readonly epoch: string;
      readonly file: string;
    }
  | {
      readonly kind: "StreamClosed";
      readonly key: string;
      readonly epoch: string;
      readonly writtenBytes: number;
      /** By reason. */
      readonly droppedBytes: Readonly<Record<string, number>>;
    }
  | {
      readonly kind: "StreamRefused";
      readonly key: string;
      readonly reason: string;
      readonly final: boolean;
    }
  | {
      readonly kind: "StreamReconfigured";
      readonly key: string;
      readonly epoch: string;
      readonly limitBytes: number;
      readonly copies: number;
    }
  /** The stream goes on with the values that it had. */
  | {
      readonly kind: "StreamChangeRefused";
      readonly key: string;
      readonly epoch: string;
      readonly reason: string;
    }
  /** Another domain may write the node. */
  | {
      readonly kind: "StreamUntrusted";
      readonly key: string;
      readonly path: string;
      readonly reason: string;
    }
  | { readonly kind: "StreamStalled"; readonly key: string; readonly reason: string }
  | { readonly kind: "StreamResumed"; readonly key: string }
  | { readonly kind: "StageRecovered"; readonly epoch: string; readonly bytes: number }
  | { readonly kind: "StageOrphaned"; readonly bytes: number }
  /** These bytes of the stream are in no file, and its log says so in place. */
  | {
      readonly kind: "StageLost";
      readonly key: string;
      readonly bytes: number;
      readonly certainty: "exact" | "atMost";
    }
  /** Another program has changed the stream's log; it goes on under its name. */
  | {
      readonly kind: "LogInterfered";
      readonly key: string;
      readonly what: "truncated" | "extended" | "replaced" | "directory";
    }
  | { readonly kind: "PumpStarted"; readonly fileSystem: string; readonly pid: number }
  | { readonly kind: "PumpEnded"; readonly fileSystem: string; readonly reason: string }
  /** The detached process has ended; the main process still has what it kept open. */
  | { readonly kind: "VaultProcessLost"; readonly pid: number }
  /** Another process is in the place of one that was lost. */
  | { readonly kind: "VaultProcessReplaced"; readonly pid: number }
  /** None can be started, or it cannot have everything; it is tried again. */
  | { readonly kind: "VaultProcessFailed"; readonly reason: string }
  /** All processes were gone, but the service manager had the stages. */
  | { readonly kind: "StagesRestored"; readonly pool: string }
  /** All processes that had the stages were gone; `StageLost` says for each log what was in them. */
  | { readonly kind: "StagesLost"; readonly pool: string }
  /** A file of the daemon's own state was damaged, or not its own; where it is now, and why. */
  | { readonly kind: "StateSetAside"; readonly path: string; readonly reason: string }
  /** No process had the stream's FIFO open any more: what it held is gone, and nobody can count it. */
  | { readonly kind: "FifoLost"; readonly key: string }
  | { readonly kind: "ServiceManagerLost"; readonly reason: string }
  /** So many lines of this log could not be written before this one. */
  | { readonly kind: "LogLinesLost"; readonly lines: number; readonly reason: string }
  | { readonly kind: "XenstoreConnected"; readonly socketPath: string }
  | { readonly kind: "XenstoreLost"; readonly reason: string }
  | { readonly kind: "FifosCollected"; readonly names: readonly string[] }
  | { readonly kind: "NodesCollected"; readonly domid: number; readonly requests: number }
  | { readonly kind: "StoreStarted"; readonly pid: number };

export type EmitEvent = (event: DaemonEvent) => void;
