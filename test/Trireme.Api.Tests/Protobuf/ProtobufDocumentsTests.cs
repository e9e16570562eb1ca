using System.Text;
using Trireme.Api.Documents;
using Trireme.Api.Protobuf;

namespace Trireme.Api.Tests.Protobuf;

public class ProtobufDocumentsTests
{
    [Fact]
    public void A_config_map_reads_as_its_JSON()
    {
        var body = Envelope("v1", "ConfigMap", [
            .. Field(1, [.. Text(1, "settings"), .. Text(3, "default"), .. Field(8, []), .. Field(11, [.. Text(1, "app"), .. Text(2, "web")])]),
            .. Field(2, [.. Text(1, "colour"), .. Text(2, "green")]),
            .. Field(3, [.. Text(1, "blob"), .. Field(2, [1, 2, 3])]),
        ]);

        Assert.True(ApiNode.DeepEquals(
            ApiNode.Parse("""{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"settings","namespace":"default","labels":{"app":"web"}},"data":{"colour":"green"},"binaryData":{"blob":"AQID"}}"""),
            ProtobufDocuments.Parse(body).Root));
    }

    [Fact]
    public void Embedded_structs_quantities_and_ports_read_as_in_JSON()
    {
        // A pod: container with a port, a quantity, a probe whose handler is an embedded struct, and a volume whose source is one.
        var container = new List<byte>();
        container.AddRange(Text(1, "c"));
        container.AddRange(Text(2, "nginx"));
        container.AddRange(Field(6, [.. Text(1, ""), .. Number(2, 0), .. Number(3, 80), .. Text(4, "TCP"), .. Text(5, "")]));
        container.AddRange(Field(8, [.. Field(1, [.. Text(1, "cpu"), .. Field(2, Text(1, "500m"))])]));
        container.AddRange(Field(10, [.. Field(1, [.. Field(2, [.. Text(1, "/healthz"), .. Field(2, [.. Number(1, 0), .. Number(2, 8080), .. Text(3, "")])])]), .. Number(2, 5)]));
        var volume = Field(1, [.. Text(1, "tmp"), .. Field(2, Field(2, Text(1, "Memory")))]);
        var body = Envelope("v1", "Pod", [.. Field(1, Text(1, "p")), .. Field(2, [.. volume, .. Field(2, [.. container]), .. Number(11, 0)])]);

        Assert.True(
            ApiNode.DeepEquals(
                ApiNode.Parse("""
                    {"kind":"Pod","apiVersion":"v1","metadata":{"name":"p"},"spec":{
                      "volumes":[{"name":"tmp","emptyDir":{"medium":"Memory"}}],
                      "containers":[{"name":"c","image":"nginx","ports":[{"containerPort":80,"protocol":"TCP"}],"resources":{"limits":{"cpu":"500m"}},
                        "livenessProbe":{"httpGet":{"path":"/healthz","port":8080},"initialDelaySeconds":5}}]}}
                    """),
                ProtobufDocuments.Parse(body).Root),
            ProtobufDocuments.Parse(body).ToString());
    }

    [Fact]
    public void Options_of_requests_belong_to_every_group()
    {
        var document = ProtobufDocuments.Parse(Envelope("apps/v1", "DeleteOptions", [.. Number(1, 30), .. Text(4, "Foreground")]));

        Assert.Equal(30, document.Root.GetInt64("gracePeriodSeconds"));
        Assert.Equal("Foreground", document.Root.GetString("propagationPolicy"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData("k8s")]
    public void What_is_no_protobuf_is_refused(string body) =>
        Assert.Throws<ApiDocumentException>(() => ProtobufDocuments.Parse(Encoding.UTF8.GetBytes(body)));

    [Fact]
    public void Any_cut_of_a_message_is_refused_or_read_but_never_breaks_the_reader()
    {
        var body = Envelope("v1", "ConfigMap", [.. Field(1, Text(1, "settings")), .. Field(2, [.. Text(1, "colour"), .. Text(2, "green")])]);
        for (var length = 0; length < body.Length; length++)
        {
            try
            {
                ProtobufDocuments.Parse(body.AsSpan(0, length));
            }
            catch (ApiDocumentException)
            {
                // The expected answer for most cuts.
            }
        }
    }

    private static byte[] Envelope(string apiVersion, string kind, byte[] message) =>
        [.. "k8s\0"u8, .. Field(1, [.. Text(1, apiVersion), .. Text(2, kind)]), .. Field(2, message), .. Text(3, ""), .. Text(4, "")];

    private static byte[] Field(int number, byte[] content) => [.. Varint((uint)(number << 3) | 2), .. Varint((uint)content.Length), .. content];

    private static byte[] Text(int number, string text) => Field(number, Encoding.UTF8.GetBytes(text));

    private static byte[] Number(int number, uint value) => [.. Varint((uint)(number << 3)), .. Varint(value)];

    private static byte[] Varint(uint value)
    {
        var bytes = new List<byte>();
        for (; value >= 0x80; value >>= 7)
        {
            bytes.Add((byte)(value | 0x80));
        }

        bytes.Add((byte)value);
        return [.. bytes];
    }
}
