// SPDX-License-Identifier: Apache-2.0
// The contract between toolstack and daemon, docs/contract.md in code: nodes, numbers, names,
// answers.

export {
  type Answer,
  announce,
  errorBytesMax,
  errorValue,
  noteError,
  readAnswer,
} from "./answer.ts";
export { ContractError, type ContractErrorCode, quote } from "./errors.ts";
export { fileNameBytesMax, parsePath, pathBytesMax, relativeBelow } from "./filepaths.ts";
export {
  defaultLogName,
  defaultOverflow,
  hostName,
  logFileName,
  logNameBytesMax,
  logNameOf,
  nameBytesMax,
  type Overflow,
  parseLogName,
  parseName,
  parseOverflow,
} from "./names.ts";
export {
  type ByteLimit,
  type Copies,
  copiesMax,
  type Domid,
  defaultCopies,
  defaultLimitBytes,
  domidMax,
  domidOfNode,
  type LogfileId,
  limitBytesMax,
  limitBytesMin,
  logfileIdMax,
  logfileIdOfNode,
  parseCopies,
  parseDomid,
  parseLimit,
  parseLogfileId,
} from "./numbers.ts";
export {
  checkBound,
  isPipe,
  type LogNodes,
  type LogRequest,
  type ParsedRequest,
  parseRequest,
} from "./request.ts";
export { durationMsMax, parseByteCount, parseDurationMs, parseSize } from "./sizes.ts";
export {
  distrustOf,
  findUntrustedNode,
  listLogfiles,
  listLogfilesOf,
  readNodes,
  removeTraces,
  type UntrustedNode,
} from "./store.ts";
export {
  domainNamePath,
  domainPath,
  domainsRoot,
  type EventScope,
  keyText,
  type LogfileKey,
  type LogOwner,
  libxlPath,
  libxlRoot,
  logfilePath,
  loggingPath,
  type NodeName,
  nodeNames,
  nodePath,
  parseKeyText,
  scopeOfEvent,
  storeIdPath,
} from "./tree.ts";
export { contractVersion } from "./version.ts";
