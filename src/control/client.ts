// SPDX-License-Identifier: Apache-2.0
// Asks a daemon over its control socket. One connection a call; every answer is checked and bounded.

import { type IncomingMessage, request } from "node:http";
import * as v from "valibot";
import { describeErrno, errnoNameOf } from "../kernel/index.ts";
import {
  closedPath,
  type DaemonStatus,
  daemonStatusSchema,
  errorBodySchema,
  reloadPath,
  type StreamStatus,
  statusPath,
  stopPath,
  streamListSchema,
  streamStatusSchema,
  streamsPath,
} from "./api/index.ts";
import { ControlError } from "./errors.ts";

/** A daemon that takes longer hangs; it answers from memory. */
const answerMsMax = 10_000;
/** Some 20 000 streams; a longer answer is not one of xenlogd. */
const answerBytesMax = 16 * 1024 * 1024;

export interface WaitClosedOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Of the stall that is known, empty for none: the wait ends with the status when it is another. */
  readonly stalledSince?: string;
}

export interface ControlClient {
  readonly socketPath: string;
  status(signal?: AbortSignal): Promise<DaemonStatus>;
  streams(options: { readonly all: boolean }): Promise<readonly StreamStatus[]>;
  /** The last status of a closed stream; `open` if it is not closed in time. */
  waitClosed(epoch: string, options: WaitClosedOptions): Promise<StreamStatus | "open" | "unknown">;
  stop(): Promise<void>;
  /** Rejects with "failed" and the daemon's sentence when it refuses its configuration. */
  reload(): Promise<void>;
}

/**
 * Makes a client; connects to nothing yet. Every call rejects with ControlError only, and with
 * "timeout" after `patienceMs`.
 */
export function controlClient(socketPath: string, patienceMs: number = answerMsMax): ControlClient {
  const ask = (call: Omit<Call, "socketPath" | "timeoutMs"> & Partial<Call>): Promise<Answer> =>
    exchange({ timeoutMs: Math.min(patienceMs, answerMsMax), ...call, socketPath });
  return {
    socketPath,
    async status(signal): Promise<DaemonStatus> {
      return parsed(daemonStatusSchema, await ask({ path: statusPath, signal }));
    },
    async streams({ all }): Promise<readonly StreamStatus[]> {
      return parsed(streamListSchema, await ask({ path: `${streamsPath}${all ? "?all=1" : ""}` }));
    },
    async waitClosed(epoch, options): Promise<StreamStatus | "open" | "unknown"> {
      const { timeoutMs, signal, stalledSince } = options;
      const query = new URLSearchParams({ timeoutMs: String(timeoutMs) });
      if (stalledSince !== undefined) query.set("stalledSince", stalledSince);
      const path = `${closedPath(encodeURIComponent(epoch))}?${query}`;
      const answer = await ask({ path, signal, timeoutMs: timeoutMs + answerMsMax });
      if (answer.status === 204) return "open";
      if (answer.status === 404) return "unknown";
      return parsed(streamStatusSchema, answer);
    },
    async stop(): Promise<void> {
      const answer = await ask({ path: stopPath, method: "POST" });
      if (answer.status !== 202) throw failure(answer);
    },
    async reload(): Promise<void> {
      const answer = await ask({ path: reloadPath, method: "POST" });
      if (answer.status !== 200) throw failure(answer);
    },
  };
}

interface Call {
  readonly socketPath: string;
  readonly path: string;
  readonly method?: "POST";
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

function exchange(call: Call): Promise<Answer> {
  const { socketPath, path, method = "GET", timeoutMs: timeout, signal } = call;
  const where = `xenlogd at ${socketPath}`;
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => reject(explained(error, where));
    const options = { socketPath, path, method, agent: false, timeout };
    const sent = request(signal === undefined ? options : { ...options, signal }, (message) => {
      read(message).then((body) => resolve({ status: message.statusCode ?? 0, body }), fail);
    });
    sent.on("error", fail);
    sent.on("timeout", () => {
      sent.destroy(new ControlError("timeout", `${where} does not answer`));
    });
    sent.end();
  });
}

async function read(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > answerBytesMax) throw new ControlError("protocol", "the answer is too long");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function explained(error: unknown, where: string): ControlError {
  if (error instanceof ControlError) return error;
  const errno = errnoNameOf(error);
  if (errno === "EACCES" || errno === "EPERM") {
    return new ControlError(
      "forbidden",
      `${where} cannot be asked: permission denied; ask as root, or as the user that runs xenlogd`,
      error,
    );
  }
  const reason =
    errno === "ECONNREFUSED" ? "nobody listens" : describeErrno(errno ?? "the connection was lost");
  return new ControlError("unreachable", `${where} cannot be reached: ${reason}`, error);
}

function parsed<T>(schema: v.GenericSchema<unknown, T>, answer: Answer): T {
  if (answer.status !== 200) throw failure(answer);
  const result = v.safeParse(schema, jsonOf(answer.body));
  if (result.success) return result.output;
  const [issue] = result.issues;
  const where = v.getDotPath(issue) ?? "the answer";
  throw new ControlError(
    "protocol",
    `cannot understand xenlogd's answer: ${where}: ${issue.message}`,
  );
}

function failure(answer: Answer): ControlError {
  const result = v.safeParse(errorBodySchema, jsonOf(answer.body));
  if (result.success) return new ControlError("failed", result.output.error.message);
  return new ControlError("protocol", `cannot understand xenlogd's answer ${answer.status}`);
}

function jsonOf(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
