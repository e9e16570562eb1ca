using System.Security.Cryptography;

namespace Trireme.Cluster;

/// <summary>The machine's identity.</summary>
public static class Machine
{
    /// <summary>Reads the machine id, or makes one (32 hexadecimal digits) on first use.</summary>
    /// <remarks>
    /// Ours and not <c>/etc/machine-id</c>: that one is copied with disk images and shared by machines on one root file system.
    /// </remarks>
    public static string EnsureId(MachineDirectory directory)
    {
        if (File.Exists(directory.MachineId) && File.ReadAllText(directory.MachineId).Trim() is { Length: 32 } present)
        {
            return present;
        }

        var id = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
        PrivateFile.Write(directory.MachineId, id + "\n", durable: true);
        return id;
    }

    /// <summary>Reads the machine id.</summary>
    /// <exception cref="IOException">The machine has none yet.</exception>
    public static string ReadId(MachineDirectory directory) => File.ReadAllText(directory.MachineId).Trim();
}
