// SPDX-License-Identifier: Apache-2.0
// What happens in the daemon, by name.

/** Which stream an event is about; what is not known of it is null. */
export interface EventStream {
  /** `5/1`, as in `/libxl/5/logging/1`. */
  readonly key: string;
  /** The domain's name, `host` for the host. */
  readonly name: string | null;
  /** The log's name. */
  readonly log: string | null;
  readonly file: string | null;
}

/** Since when a stream cannot write into its log, or not even open it, and why. */
export interface Stall {
  readonly reason: string;
  /** The mount point of the file system that the log is on. */
  readonly fileSystem: string;
  /** ISO 8601, UTC. */
  readonly since: string;
}

export type DaemonEvent = UnboundEvent | StreamEvent;

/** About a stream. What lasts is said again once a minute, see lasting-events.ts. */
export type StreamEvent = EventStream &
  (
    | { readonly kind: "StreamOpened"; readonly epoch: string }
    | {
        readonly kind: "StreamClosed";
        readonly epoch: string;
        readonly writtenBytes: number;
        /** By reason. */
        readonly droppedBytes: Readonly<Record<string, number>>;
      }
    /** The request got no stream; `final: false`: a stream cannot be opened now and is tried again. */
    | {
        readonly kind: "StreamRefused";
        readonly reason: string;
        readonly final: boolean;
      }
    /** All bytes of a refused request, when its nodes and its writers are gone. */
    | { readonly kind: "RefusedDrained"; readonly droppedBytes: number }
    | {
        readonly kind: "StreamReconfigured";
        readonly epoch: string;
        readonly limitBytes: number;
        readonly copies: number;
        readonly rateBytesPerSecond: number | null;
        readonly burstBytes: number | null;
      }
    /** The stream goes on with the values that it had. */
    | { readonly kind: "StreamChangeRefused"; readonly epoch: string; readonly reason: string }
    /** Another domain may write the node: the request is never answered. */
    | { readonly kind: "StreamUntrusted"; readonly path: string; readonly reason: string }
    | ({ readonly kind: "StreamStalled" } & Stall)
    /** Stalled for too long: what comes is counted and not logged, as its `overflow` says. */
    | ({ readonly kind: "StreamDropping" } & Stall)
    | { readonly kind: "StreamResumed" }
    | { readonly kind: "StageRecovered"; readonly epoch: string; readonly bytes: number }
    /** These bytes of the stream are in no file, and its log says so in place. */
    | {
        readonly kind: "StageLost";
        readonly bytes: number;
        readonly certainty: "exact" | "atMost";
      }
    /** No process had the stream's FIFO open any more: what it held is gone, and nobody can count it. */
    | { readonly kind: "FifoLost" }
    /** Another program has changed the stream's log; it goes on under its name. */
    | {
        readonly kind: "LogInterfered";
        readonly what: "truncated" | "extended" | "renamed" | "replaced" | "directory";
        /** The new name of a file that was renamed. */
        readonly to?: string | undefined;
      }
  );

type UnboundEvent =
  | { readonly kind: "DaemonStarted"; readonly version: string; readonly directory: string }
  /** `path` is null where there is no file: the defaults are used. */
  | { readonly kind: "ConfigurationReloaded"; readonly path: string | null }
  /** The configuration stays as it was. */
  | {
      readonly kind: "ConfigurationRefused";
      readonly path: string | null;
      readonly reason: string;
    }
  | { readonly kind: "DaemonStopped"; readonly strandedBytes: number | "unknown" }
  | { readonly kind: "StageOrphaned"; readonly bytes: number }
  | { readonly kind: "PumpStarted"; readonly fileSystem: string; readonly pid: number }
  | { readonly kind: "PumpEnded"; readonly fileSystem: string; readonly reason: string }
  /** The detached process has ended; the main process still has what it kept open. */
  | { readonly kind: "VaultProcessLost"; readonly pid: number }
  /** Another process is in the place of one that was lost. */
  | { readonly kind: "VaultProcessReplaced"; readonly pid: number }
  /** None can be started, or it cannot have everything; it is tried again. */
  | { readonly kind: "VaultProcessFailed"; readonly reason: string }
  /** Only the pump has the FIFO open, for as long as the stream lasts: main has no descriptor for it. */
  | { readonly kind: "FifoNotKept"; readonly epoch: string; readonly reason: string }
  /** All processes were gone, but the service manager had the stages. */
  | { readonly kind: "StagesRestored"; readonly pool: string }
  /** All processes that had the stages were gone; `StageLost` says for each log what was in them. */
  | { readonly kind: "StagesLost"; readonly pool: string }
  /** A file of the daemon's own state was damaged, or not its own; where it is now, and why. */
  | { readonly kind: "StateSetAside"; readonly path: string; readonly reason: string }
  | { readonly kind: "ServiceManagerLost"; readonly reason: string }
  /** There is none yet; it is waited for without a limit. */
  | { readonly kind: "XenstoreAwaited"; readonly reason: string }
  /** So many lines of this log could not be written before this one. */
  | { readonly kind: "LogLinesLost"; readonly lines: number; readonly reason: string }
  | { readonly kind: "XenstoreConnected"; readonly socketPath: string }
  | { readonly kind: "XenstoreLost"; readonly reason: string }
  | { readonly kind: "FifosCollected"; readonly names: readonly string[] }
  | { readonly kind: "NodesCollected"; readonly domid: number; readonly requests: number }
  | { readonly kind: "StoreStarted"; readonly pid: number };

export type EmitEvent = (event: DaemonEvent) => void;
