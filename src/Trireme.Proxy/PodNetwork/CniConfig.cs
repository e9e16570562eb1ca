using System.Buffers;
using System.Text.Json;

namespace Trireme.Proxy.PodNetwork;

/// <summary>The network that the container runtime gives to pods of this node: a bridge, addresses from the node's range, host ports.</summary>
/// <remarks>Format: CNI specification 1.0, network configuration lists; plugins bridge, host-local and portmap of containernetworking.</remarks>
public static class CniConfig
{
    /// <summary>Name of the file; the runtime takes the first in order.</summary>
    public const string FileName = "10-trireme.conflist";

    /// <summary>Name of the bridge.</summary>
    public const string Bridge = "cni0";

    /// <summary>The configuration for a node.</summary>
    /// <param name="podCidr">The node's range of pod addresses.</param>
    /// <param name="stateFolder">Where address leases are kept: several machines may share a root file system.</param>
    /// <param name="mtu">Largest packet; 0 leaves it to the kernel.</param>
    public static byte[] Build(string podCidr, string stateFolder, int mtu)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("cniVersion", "0.4.0");
            json.WriteString("name", "trireme");
            json.WriteStartArray("plugins");
            json.WriteStartObject();
            json.WriteString("type", "bridge");
            json.WriteString("bridge", Bridge);
            json.WriteBoolean("isGateway", true);
            json.WriteBoolean("isDefaultGateway", true);
            json.WriteBoolean("hairpinMode", true);
            json.WriteBoolean("ipMasq", false);
            if (mtu > 0)
            {
                json.WriteNumber("mtu", mtu);
            }

            json.WriteStartObject("ipam");
            json.WriteString("type", "host-local");
            json.WriteString("dataDir", stateFolder);
            json.WriteStartArray("ranges");
            json.WriteStartArray();
            json.WriteStartObject();
            json.WriteString("subnet", podCidr);
            json.WriteEndObject();
            json.WriteEndArray();
            json.WriteEndArray();
            json.WriteEndObject();
            json.WriteEndObject();
            json.WriteStartObject();
            json.WriteString("type", "portmap");
            json.WriteStartObject("capabilities");
            json.WriteBoolean("portMappings", true);
            json.WriteEndObject();
            json.WriteEndObject();
            json.WriteEndArray();
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }
}
