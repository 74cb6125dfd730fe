// SPDX-License-Identifier: Apache-2.0
// Identifies a file system by what it is, not by its device number: that may be another one when the
// same disk is mounted again.

import { closeSync, constants } from "node:fs";
import { endianness } from "node:os";
import { KernelError } from "./errno/index.ts";
import { openPath } from "./files.ts";
import { lastErrno, libcFstatfs, libcIoctlBytes } from "./library.ts";

// include/uapi/linux/fs.h, Linux 6.9: _IOR(0x15, 0, struct fsuuid2), a length and 16 bytes.
const FS_IOC_GETFSUUID = 0x80111500;
const uuidBytesMax = 16;

/** struct statfs of 64-bit Linux: f_type first, f_fsid (two ints) behind seven words. */
const statfsBytes = 120;
const typeOnly = "type-";
const fsidOffset = 56;

// include/uapi/linux/magic.h
const BTRFS_SUPER_MAGIC = 0x9123683e;

/**
 * A name for the file system that holds a directory, fit for a file name: its UUID where the kernel
 * reports one, else its f_fsid, which statfs(2) derives from the UUID (ext4) or from the device number
 * (xfs, tmpfs). Where f_fsid identifies nothing it is the type only: f_fsid is 0 on network file
 * systems and FUSE, and differs between the subvolumes of a btrfs. Waits for a disk that hangs. Throws
 * KernelError.
 */
export function identifyFileSystem(directory: string): string {
  const fd = openPath(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return uuidOf(fd) ?? fsidOf(fd);
  } finally {
    closeSync(fd);
  }
}

function uuidOf(fd: number): string | undefined {
  const answer = Buffer.alloc(1 + uuidBytesMax);
  // ENOTTY: an older kernel, or a file system without a UUID.
  if (libcIoctlBytes(fd, FS_IOC_GETFSUUID, answer) < 0) return undefined;
  const length = Math.min(answer[0] ?? 0, uuidBytesMax);
  const uuid = answer.subarray(1, 1 + length);
  return uuid.every((byte) => byte === 0) ? undefined : `uuid-${uuid.toString("hex")}`;
}

/** Whether no other file system has that name. */
export function isUnique(fileSystem: string): boolean {
  return !fileSystem.startsWith(typeOnly);
}

function fsidOf(fd: number): string {
  const answer = Buffer.alloc(statfsBytes);
  if (libcFstatfs(fd, answer) < 0) throw new KernelError("fstatfs", lastErrno());
  const type = endianness() === "LE" ? answer.readUInt32LE(0) : answer.readUInt32BE(4);
  const fsid = answer.subarray(fsidOffset, fsidOffset + 8);
  if (type === BTRFS_SUPER_MAGIC || fsid.every((byte) => byte === 0)) {
    return `${typeOnly}${type.toString(16)}`;
  }
  return `fsid-${type.toString(16)}-${fsid.toString("hex")}`;
}
