using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Trireme.Lab.Readiness;

/// <summary>Opens a socket inside a network namespace of this host, so that a machine's view can be tested without starting a program there.</summary>
internal static partial class NamespaceSocket
{
    private const int CloneNewNet = 0x40000000;

    /// <summary>A socket that belongs to the namespace, usable from any thread.</summary>
    /// <exception cref="LabException">The namespace cannot be entered.</exception>
    public static Socket Open(string namespaceFile, SocketType type, ProtocolType protocol)
    {
        Socket? socket = null;
        Exception? error = null;

        // A namespace is entered by a thread; this one ends afterwards, so that no other work is ever done inside.
        var thread = new Thread(() =>
        {
            try
            {
                using var file = File.OpenHandle(namespaceFile);
                if (SetNamespace(file.DangerousGetHandle().ToInt32(), CloneNewNet) != 0)
                {
                    throw new LabException($"cannot enter {namespaceFile}: {Marshal.GetLastPInvokeErrorMessage()}");
                }

                socket = new Socket(AddressFamily.InterNetwork, type, protocol);
            }
            catch (Exception e) when (e is LabException or IOException or SocketException or UnauthorizedAccessException)
            {
                error = e;
            }
        });
        thread.Start();
        thread.Join();
        return socket ?? throw new LabException(error!.Message);
    }

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    private static partial int SetNamespace(int fileDescriptor, int kind);
}
