// SPDX-License-Identifier: Apache-2.0
// What the errors of system calls say to people. Loads no FFI.

export { describeErrno, type ErrnoName, errnoNameOf, KernelError, messageOf } from "./errors.ts";
