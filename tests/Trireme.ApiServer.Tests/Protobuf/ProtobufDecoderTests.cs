using System.Text;
using Trireme.ApiServer.Protobuf;

namespace Trireme.ApiServer.Tests.Protobuf;

public sealed class ProtobufDecoderTests
{
    [Fact]
    public void A_config_map_becomes_its_json()
    {
        var metadata = Message((1, "x"), (3, "ns"), (11, Message((1, "app"), (2, "web"))));
        var body = Encoded("v1", "ConfigMap", Message((1, metadata), (2, Message((1, "a"), (2, "b"))), (2, Message((1, "c"), (2, "")))));
        Assert.Equal(
            """{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x","namespace":"ns","labels":{"app":"web"}},"data":{"a":"b","c":""}}""",
            Encoding.UTF8.GetString(ProtobufDecoder.ToJson(body)));
    }

    [Fact]
    public void Embedded_messages_join_their_object_and_zero_pointers_stay()
    {
        // A Deployment with replicas 0, a volume (embedded source), a quantity, a port by name and a probe (embedded handler).
        var quantity = Message((1, "cpu"), (2, Message((1, "100m"))));
        var targetPort = Message((1, 1UL), (2, 0UL), (3, "http"));
        var probe = Message((1, Message((2, Message((1, "/healthz"), (2, targetPort))))), (2, 5UL));
        var container = Message((1, "c"), (8, Message((1, quantity))), (10, probe));
        var volume = Message((1, "v"), (2, Message((6, Message((1, "s"))))));
        var template = Message((1, Message()), (2, Message((1, volume), (2, container))));
        var spec = Message((1, 0UL), (3, template));
        var json = Encoding.UTF8.GetString(ProtobufDecoder.ToJson(Encoded("apps/v1", "Deployment", Message((1, Message((1, "web"))), (2, spec)))));
        Assert.Contains("\"replicas\":0", json, StringComparison.Ordinal);
        Assert.Contains("\"volumes\":[{\"name\":\"v\",\"secret\":{\"secretName\":\"s\"}}]", json, StringComparison.Ordinal);
        Assert.Contains("\"limits\":{\"cpu\":\"100m\"}", json, StringComparison.Ordinal);
        Assert.Contains("\"livenessProbe\":{\"initialDelaySeconds\":5,\"httpGet\":{\"path\":\"/healthz\",\"port\":\"http\"", json, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{\"kind\":\"Pod\"}")]
    public void What_has_no_magic_prefix_is_refused(string text) =>
        Assert.Throws<FormatException>(() => ProtobufDecoder.ToJson(Encoding.UTF8.GetBytes(text)));

    [Fact]
    public void What_is_cut_off_or_unknown_is_refused()
    {
        var whole = Encoded("v1", "ConfigMap", Message((1, Message((1, "x")))));
        Assert.Throws<FormatException>(() => ProtobufDecoder.ToJson(whole.AsSpan(0, whole.Length - 1)));
        Assert.Throws<FormatException>(() => ProtobufDecoder.ToJson(Encoded("v1", "Nonsense", [])));
    }

    private static byte[] Encoded(string apiVersion, string kind, byte[] raw) =>
        [.. "k8s\0"u8, .. Message((1, Message((1, apiVersion), (2, kind))), (2, raw))];

    private static byte[] Message(params (int Number, object Value)[] fields)
    {
        var bytes = new List<byte>();
        foreach (var (number, value) in fields)
        {
            if (value is ulong integer)
            {
                Varint(bytes, (ulong)number << 3);
                Varint(bytes, integer);
                continue;
            }

            var content = value as byte[] ?? Encoding.UTF8.GetBytes((string)value);
            Varint(bytes, ((ulong)number << 3) | 2);
            Varint(bytes, (ulong)content.Length);
            bytes.AddRange(content);
        }

        return [.. bytes];
    }

    private static void Varint(List<byte> bytes, ulong value)
    {
        while (value >= 0x80)
        {
            bytes.Add((byte)(value | 0x80));
            value >>= 7;
        }

        bytes.Add((byte)value);
    }
}
