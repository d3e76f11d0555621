/**
 * The smallest guest that proves something: a firmware image which goes through the processor's modes as every kernel
 * does, uses an SSE instruction, takes an exception, and measures the time stamp counter on its way.
 */

/** Machine code with the addresses it stands at; listed from its assembly source. */
const code = [
  // 16-bit real mode, as after reset: into protected mode
  'fa', // 000: cli
  '2e660f01169801', // 001: data32 lgdt cs:[gdtr]
  '0f20c0', // 008: mov eax, cr0
  '0c01', // 00b: or al, 1
  '0f22c0', // 00d: mov cr0, eax
  '66ea1800ffff0800', // 010: data32 ljmp 0x08, 0xffff0000 + pm
  // 32-bit: identity page tables for 4 GiB in pages of 2 MiB, then long mode
  '66b81000', // 018: mov ax, 0x10
  '8ed8', // 01c: mov ds, ax
  '8ed0', // 01e: mov ss, ax
  'bf00300000', // 020: mov edi, 0x3000
  'b883000000', // 025: mov eax, 0x83
  'b900080000', // 02a: mov ecx, 2048
  '8907', // 02f: 1: mov [edi], eax
  '83c708', // 031: add edi, 8
  '0500002000', // 034: add eax, 0x200000
  'e2f4', // 039: loop 1b
  'c7050020000003300000', // 03b: mov dword ptr [0x2000], 0x3003
  'c7050820000003400000', // 045: mov dword ptr [0x2008], 0x4003
  'c7051020000003500000', // 04f: mov dword ptr [0x2010], 0x5003
  'c7051820000003600000', // 059: mov dword ptr [0x2018], 0x6003
  'c7050010000003200000', // 063: mov dword ptr [0x1000], 0x2003
  '0f20e0', // 06d: mov eax, cr4
  '0c20', // 070: or al, 0x20
  '0f22e0', // 072: mov cr4, eax
  'b800100000', // 075: mov eax, 0x1000
  '0f22d8', // 07a: mov cr3, eax
  'b9800000c0', // 07d: mov ecx, 0xc0000080
  '0f32', // 082: rdmsr
  '80cc01', // 084: or ah, 1
  '0f30', // 087: wrmsr
  '0f20c0', // 089: mov eax, cr0
  '0d00000080', // 08c: or eax, 0x80000000
  '0f22c0', // 091: mov cr0, eax
  'ea9b00ffff1800', // 094: ljmp 0x18, 0xffff0000 + lm
  // 64-bit: SSE on, used once; a KVM that only emulates ends here
  'bc00800000', // 09b: mov esp, 0x8000
  '0f20e0', // 0a0: mov rax, cr4
  '660d0006', // 0a3: or ax, 0x600
  '0f22e0', // 0a7: mov cr4, rax
  '0f20c0', // 0aa: mov rax, cr0
  '24f3', // 0ad: and al, 0xf3
  '0f22c0', // 0af: mov cr0, rax
  '660fefc0', // 0b2: pxor xmm0, xmm0
  'f30f7f0424', // 0b6: movdqu [rsp], xmm0
  // "DVM" to the serial port
  '66baf803', // 0bb: mov dx, 0x3f8
  'b044', // 0bf: mov al, 'D'
  'ee', // 0c1: out dx, al
  'b056', // 0c2: mov al, 'V'
  'ee', // 0c4: out dx, al
  'b04d', // 0c5: mov al, 'M'
  'ee', // 0c7: out dx, al
  // local APIC timer: enabled, counts nanoseconds down from 2^32-1, no interrupt
  'bb0000e0fe', // 0c8: mov ebx, 0xfee00000
  'c783f0000000ff010000', // 0cd: mov dword ptr [rbx+0xf0], 0x1ff
  'c783e00300000b000000', // 0d7: mov dword ptr [rbx+0x3e0], 0xb
  'c7832003000000000100', // 0e1: mov dword ptr [rbx+0x320], 0x10000
  'c78380030000ffffffff', // 0eb: mov dword ptr [rbx+0x380], 0xffffffff
  // samples, 268 ms of waiting, samples
  'e81b000000', // 0f5: call samples
  'f390', // 0fa: 2: pause
  '81bb90030000000000f0', // 0fc: cmp dword ptr [rbx+0x390], 0xf0000000
  '77f2', // 106: ja 2b
  'e808000000', // 108: call samples
  // an exception without a table of handlers: triple fault, which resets, which ends QEMU (-no-reboot)
  '0f011d56000000', // 10d: lidt [rip+none]
  'cc', // 114: int3
  // samples: 64 times TSC, timer, TSC; sent as five 32-bit words
  '41b840000000', // 115: mov r8d, 64
  '0f31', // 11b: 3: rdtsc
  '89c6', // 11d: mov esi, eax
  '89d7', // 11f: mov edi, edx
  '8bab90030000', // 121: mov ebp, [rbx+0x390]
  '0f31', // 127: rdtsc
  '4189c1', // 129: mov r9d, eax
  '4189d2', // 12c: mov r10d, edx
  '89f0', // 12f: mov eax, esi
  'e824000000', // 131: call word4
  '89f8', // 136: mov eax, edi
  'e81d000000', // 138: call word4
  '4489c8', // 13d: mov eax, r9d
  'e815000000', // 140: call word4
  '4489d0', // 145: mov eax, r10d
  'e80d000000', // 148: call word4
  '89e8', // 14d: mov eax, ebp
  'e806000000', // 14f: call word4
  '41ffc8', // 154: dec r8d
  '75c2', // 157: jnz 3b
  'c3', // 159: ret
  // word4: sends EAX
  '66baf803', // 15a: mov dx, 0x3f8
  'b904000000', // 15e: mov ecx, 4
  'ee', // 163: 4: out dx, al
  'c1e808', // 164: shr eax, 8
  'e2fa', // 167: loop 4b
  'c3', // 169: ret
  // no interrupt table; the segment table: code 32, data, code 64
  '0000', // 16a: .word 0
  '0000000000000000', // 16c: .quad 0
  '0f1f4000', // 174: .balign 8
  '0000000000000000', // 178: .quad 0
  'ffff0000009acf00', // 180: .quad 0x00cf9a000000ffff
  'ffff00000092cf00', // 188: .quad 0x00cf92000000ffff
  'ffff0000009aaf00', // 190: .quad 0x00af9a000000ffff
  '1f00', // 198: .word 31
  '7801ffff', // 19a: .long 0xffff0000 + gdt
] as const;

const imageBytes = 64 << 10;
/** Where a processor starts: 16 bytes below the end of the image, which ends at 4 GiB. */
const resetVector = 0xfff0;

export function probeImage(): Buffer {
  const image = Buffer.alloc(imageBytes);
  Buffer.from(code.join(''), 'hex').copy(image);
  image.writeUInt8(0xe9, resetVector); // jmp 0
  image.writeUInt16LE(0x10000 - (resetVector + 3), resetVector + 1);
  return image;
}

const samplesPerBatch = 64;
const sampleBytes = 20;
export const greeting = 'DVM';
export const probeOutputBytes = greeting.length + 2 * samplesPerBatch * sampleBytes;

interface Sample {
  readonly before: bigint;
  readonly after: bigint;
  readonly timer: number;
}

/**
 * How fast the guest's time stamp counter runs, kHz, from what the guest has said. The timer counts host nanoseconds; of
 * each batch the sample counts that was interrupted least. Undefined when the output is not whole or makes no sense.
 */
export function tscKhzOf(output: Buffer): number | undefined {
  if (output.length !== probeOutputBytes || output.toString('latin1', 0, 3) !== greeting) return undefined;
  const samples = Array.from({ length: 2 * samplesPerBatch }, (_, index) =>
    readSample(output, greeting.length + index * sampleBytes),
  );
  const first = tightest(samples.slice(0, samplesPerBatch));
  const last = tightest(samples.slice(samplesPerBatch));
  if (first === undefined || last === undefined) return undefined;
  const nanoseconds = first.timer - last.timer;
  const ticks = Number(last.before + last.after - first.before - first.after) / 2;
  const khz = Math.round((ticks * 1e6) / nanoseconds);
  return nanoseconds > 0 && khz > 100_000 && khz < 20_000_000 ? khz : undefined;
}

function readSample(output: Buffer, at: number): Sample {
  return {
    before: output.readBigUInt64LE(at),
    after: output.readBigUInt64LE(at + 8),
    timer: output.readUInt32LE(at + 16),
  };
}

function tightest(samples: readonly Sample[]): Sample | undefined {
  return [...samples].sort((a, b) => Number(a.after - a.before - (b.after - b.before)))[0];
}
