// SPDX-License-Identifier: Apache-2.0
//
// A virtual machine without a disk for the tests: a multiboot kernel of some hundred bytes that
// prints numbered lines on its first serial port and ends its QEMU. Works under TCG, needs no
// /dev/kvm. The lines are `guest line 0000001\n`, gapless from 1. Give QEMU a file or a pipe for
// stdout: on a full socket (what Node's spawn makes) it drops console bytes after four tries.

import { writeFile } from "node:fs/promises";
import type { DebianProgram } from "./debian.ts";

/** What QEMU exits with when the guest has printed all; its own failures exit with 1. */
export const guestExitCode = 33;
export const guestLinesMax = 9_999_999;

const digits = 7;
const lineStart = "guest line ";
// isa-debug-exit makes (value << 1) | 1 of what is written to its port.
const exitValue = (guestExitCode - 1) / 2;
const exitPort = 0xf4;
const serialPort = 0x3f8;
const loadAddress = 0x10_0000;

/** The text of line `number`, with its newline. */
export function guestLine(number: number): string {
  return `${lineStart}${String(number).padStart(digits, "0")}\n`;
}

export async function writeGuestKernel(
  path: string,
  options: { readonly lines: number },
): Promise<void> {
  await writeFile(path, guestKernel(options));
}

/**
 * The whole command: the serial console on stdout and, with `trace`, a line on stderr for each
 * register that the guest writes, some forty times as much as the console.
 */
export function qemuCommand(options: {
  readonly qemu: Extract<DebianProgram, { found: true }>;
  readonly kernel: string;
  readonly trace?: boolean;
}): readonly string[] {
  const { qemu, kernel, trace = false } = options;
  const machine = ["-machine", "pc,accel=tcg", "-m", "16", "-display", "none", "-nodefaults"];
  const devices = ["-device", `isa-debug-exit,iobase=${exitPort},iosize=4`, "-serial", "stdio"];
  const tracing = trace ? ["-trace", "serial_write"] : [];
  return [
    qemu.path,
    ...qemu.args,
    ...machine,
    "-no-reboot",
    ...devices,
    ...tracing,
    "-kernel",
    kernel,
  ];
}

/** The kernel's bytes: a multiboot header, i386 code, the line that it prints and counts up. */
export function guestKernel({ lines }: { readonly lines: number }): Uint8Array {
  if (!(Number.isInteger(lines) && lines >= 1 && lines <= guestLinesMax)) {
    throw new RangeError(`a guest prints 1 to ${guestLinesMax} lines, not ${lines}`);
  }
  return assemble([...multibootHeader(), ...printer(lines), ...template()]);
}

/** A byte, a place with a name, or a reference to one: from here (8 bits) or absolute (32 bits). */
type Item =
  | number
  | { readonly label: string }
  | { readonly jump: string }
  | { readonly address: string };

/** Load addresses in the header (flag 16): the file is then no ELF but loaded as it is. */
function multibootHeader(): readonly Item[] {
  const magic = 0x1bad_b002;
  const flags = 1 << 16;
  const start: Item = { address: "header" };
  return [
    { label: "header" },
    ...word(magic),
    ...word(flags),
    ...word(-(magic + flags)),
    start, // header_addr
    start, // load_addr
    ...word(0), // load_end_addr: the whole file
    ...word(0), // bss_end_addr: none
    { address: "entry" },
  ];
}

// biome-ignore format: one instruction a line
function printer(lines: number): readonly Item[] {
  return [
    { label: "entry" },
    0xfa,                                    // cli
    0xfc,                                    // cld
    0xb9, ...word(lines),                    // mov   ecx, lines
    { label: "line" },
    0xbe, { address: "text" },               // mov   esi, text
    { label: "character" },
    0xac,                                    // lodsb
    0x84, 0xc0,                              // test  al, al
    0x74, { jump: "count" },                 // jz    count
    0x88, 0xc3,                              // mov   bl, al
    0x66, 0xba, ...half(serialPort + 5),     // mov   dx, line status register
    { label: "busy" },
    0xec,                                    // in    al, dx
    0xa8, 0x20,                              // test  al, transmitter is empty
    0x74, { jump: "busy" },                  // jz    busy
    0x88, 0xd8,                              // mov   al, bl
    0x66, 0xba, ...half(serialPort),         // mov   dx, transmitter
    0xee,                                    // out   dx, al
    0xeb, { jump: "character" },             // jmp   character
    { label: "count" },
    0xbf, { address: "last digit" },         // mov   edi, last digit
    { label: "carry" },
    0xfe, 0x07,                              // inc   byte [edi]
    0x80, 0x3f, 0x3a,                        // cmp   byte [edi], '9' + 1
    0x75, { jump: "counted" },               // jne   counted
    0xc6, 0x07, 0x30,                        // mov   byte [edi], '0'
    0x4f,                                    // dec   edi
    0xeb, { jump: "carry" },                 // jmp   carry
    { label: "counted" },
    0x49,                                    // dec   ecx
    0x75, { jump: "line" },                  // jnz   line
    0x66, 0xba, ...half(exitPort),           // mov   dx, exit port
    0xb0, exitValue,                         // mov   al, exit value
    0xee,                                    // out   dx, al
    { label: "end" },
    0xf4,                                    // hlt
    0xeb, { jump: "end" },                   // jmp   end
  ];
}

function template(): readonly Item[] {
  const text = [...Buffer.from(guestLine(1))];
  const lastDigit = text.length - 2;
  return [
    { label: "text" },
    ...text.slice(0, lastDigit),
    { label: "last digit" },
    ...text.slice(lastDigit),
    0,
  ];
}

function assemble(items: readonly Item[]): Uint8Array {
  const places = new Map<string, number>();
  let size = 0;
  for (const item of items) {
    if (typeof item === "number") {
      size += 1;
    } else if ("label" in item) {
      places.set(item.label, size);
    } else {
      size += "jump" in item ? 1 : 4;
    }
  }
  const bytes: number[] = [];
  for (const item of items) {
    if (typeof item === "number") {
      bytes.push(item);
    } else if ("jump" in item) {
      bytes.push((places.get(item.jump) as number) - (bytes.length + 1));
    } else if ("address" in item) {
      bytes.push(...word(loadAddress + (places.get(item.address) as number)));
    }
  }
  // The array of bytes takes each modulo 256: a jump back is a negative number until here.
  return Uint8Array.from(bytes);
}

function word(value: number): readonly number[] {
  return [...half(value), ...half(value >> 16)];
}

function half(value: number): readonly number[] {
  return [value & 0xff, (value >> 8) & 0xff];
}
