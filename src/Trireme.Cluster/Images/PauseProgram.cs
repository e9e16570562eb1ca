using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Trireme.Cluster.Images;

/// <summary>The program that holds a pod's namespaces open: an ELF executable of under 200 bytes that sleeps for ever.</summary>
/// <remarks>
/// It must cost nothing, as every pod has one: it has no libc and no heap. Ignoring SIGCHLD makes the kernel reap children that are
/// re-parented to it, which is the other duty of a pod's first process (shareProcessNamespace). As process 1 of its namespace it ends only by
/// SIGKILL, which is what the runtime sends to a sandbox.
/// </remarks>
public static class PauseProgram
{
    private const ulong LoadAddress = 0x400000;
    private const int HeaderSize = 64 + 56;

    // rt_sigaction(SIGCHLD, {SIG_IGN}, NULL, 8); for (;;) pause();
    private static ReadOnlySpan<byte> X64 =>
    [
        0xb8, 0x0d, 0x00, 0x00, 0x00, 0xbf, 0x11, 0x00, 0x00, 0x00, 0x48, 0x8d, 0x35, 0x17, 0x00, 0x00, 0x00, 0x31, 0xd2, 0x41,
        0xba, 0x08, 0x00, 0x00, 0x00, 0x0f, 0x05, 0xb8, 0x22, 0x00, 0x00, 0x00, 0x0f, 0x05, 0xeb, 0xf7, 0x0f, 0x1f, 0x40, 0x00,
        0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];

    // The same with ppoll(NULL, 0, NULL, NULL), as arm64 has no pause: adr x1; mov x8,#134; mov x8,#73; svc #0; b.
    private static ReadOnlySpan<uint> Arm64 =>
    [
        0xd28010c8, 0xd2800220, 0x10000181, 0xd2800002, 0xd2800103, 0xd4000001,
        0xd2800000, 0xd2800001, 0xd2800002, 0xd2800003, 0xd2800928, 0xd4000001, 0x17fffffa, 0xd503201f,
        1, 0, 0, 0, 0, 0, 0, 0,
    ];

    /// <summary>The executable for a processor.</summary>
    /// <exception cref="PlatformNotSupportedException">There is no such program for <paramref name="architecture"/>.</exception>
    public static byte[] Build(Architecture architecture)
    {
        ReadOnlySpan<byte> code = architecture switch
        {
            Architecture.X64 => X64,
            Architecture.Arm64 => MemoryMarshal.AsBytes(Arm64),
            _ => throw new PlatformNotSupportedException($"No pause program for {architecture}"),
        };
        var elf = new byte[HeaderSize + code.Length];
        var span = elf.AsSpan();
        ReadOnlySpan<byte> ident = [0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1];
        ident.CopyTo(span);
        BinaryPrimitives.WriteUInt16LittleEndian(span[16..], 2);                                               // ET_EXEC
        BinaryPrimitives.WriteUInt16LittleEndian(span[18..], (ushort)(architecture == Architecture.X64 ? 62 : 183));
        BinaryPrimitives.WriteUInt32LittleEndian(span[20..], 1);
        BinaryPrimitives.WriteUInt64LittleEndian(span[24..], LoadAddress + HeaderSize);                        // entry
        BinaryPrimitives.WriteUInt64LittleEndian(span[32..], 64);                                              // program headers
        BinaryPrimitives.WriteUInt16LittleEndian(span[52..], 64);
        BinaryPrimitives.WriteUInt16LittleEndian(span[54..], 56);
        BinaryPrimitives.WriteUInt16LittleEndian(span[56..], 1);
        var program = span[64..];
        BinaryPrimitives.WriteUInt32LittleEndian(program, 1);                                                  // PT_LOAD
        BinaryPrimitives.WriteUInt32LittleEndian(program[4..], 5);                                             // readable, executable
        BinaryPrimitives.WriteUInt64LittleEndian(program[16..], LoadAddress);
        BinaryPrimitives.WriteUInt64LittleEndian(program[24..], LoadAddress);
        BinaryPrimitives.WriteUInt64LittleEndian(program[32..], (ulong)elf.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(program[40..], (ulong)elf.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(program[48..], 0x1000);
        code.CopyTo(span[HeaderSize..]);
        return elf;
    }
}
