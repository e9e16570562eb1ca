using System.Net;
using CsCheck;
using Trireme.Dns.Wire;

namespace Trireme.Dns.Tests.Wire;

public sealed class WireTests
{
    private static readonly Gen<string> GenLabel = Gen.String[Gen.Char["abcdefghijklmnopqrstuvwxyz0123456789-_"], 1, 20];
    private static readonly Gen<DnsName> GenName = GenLabel.Array[1, 6].Select(l => DnsName.Parse(string.Join('.', l)));
    private static readonly Gen<uint> GenTtl = Gen.UInt[0, 100_000];

    private static readonly Gen<DnsRecord> GenRecord = Gen.OneOf(
        Gen.Select(GenName, Gen.Byte.Array[4], GenTtl, (n, a, t) => DnsRecord.Address(n, new IPAddress(a), t)),
        Gen.Select(GenName, Gen.Byte.Array[16], GenTtl, (n, a, t) => DnsRecord.Address(n, new IPAddress(a), t)),
        Gen.Select(GenName, GenName, GenTtl, DnsRecord.Cname),
        Gen.Select(GenName, Gen.UShort, GenName, GenTtl, (n, p, target, t) => DnsRecord.Srv(n, 0, 100, p, target, t)),
        Gen.Select(GenName, GenLabel, GenTtl, DnsRecord.Txt));

    [Fact]
    public async Task A_response_has_these_bytes()
    {
        var fixture = new DnsFixture().Add(DnsFixture.Service("web"));
        var answer = await fixture.AskAsync("Web.default.svc.cluster.local", edns: true);

        // Header: id, response + authoritative + recursion both ways, counts 1 1 0 1; question with the client's letters; the answer's name points to it; OPT of 1232.
        Assert.Equal(
            "123485800001000100000001"
            + "03576562" + "0764656661756C74" + "03737663" + "07636C7573746572" + "056C6F63616C" + "00" + "0001" + "0001"
            + "C00C" + "0001" + "0001" + "00000005" + "0004" + "0A600014"
            + "00" + "0029" + "04D0" + "00000000" + "0000",
            Convert.ToHexString(answer.Packet));
    }

    [Fact]
    public void A_query_is_read_as_it_was_written()
    {
        var request = new DnsRequest();
        Assert.True(request.TryRead(DnsFixture.Query("WWW.Example.com", DnsType.AAAA, edns: true), isTcp: false, out var error));

        Assert.Equal(Rcode.NoError, error);
        Assert.Equal("www.example.com.", DnsName.FromWire(request.Name).ToString());
        Assert.Equal((0x1234, DnsType.AAAA, DnsClass.IN, true, true, 1232), (request.Id, request.Type, request.Class, request.RecursionDesired, request.HasEdns, request.MaxResponseSize));
    }

    [Theory]
    [InlineData("", false, 0)]
    [InlineData("123481000001000000000000", false, 0)] // a response
    [InlineData("123401000000000000000000", true, 1)] // no question
    [InlineData("1234010000020000000000000161000001000101620000010001", true, 1)] // two questions
    [InlineData("123401000001000000000000C00C00010001", true, 1)] // a name that points to itself
    [InlineData("12340100000100000000000001610000010001FF", true, 0)] // trailing bytes do no harm
    [InlineData("123428000001000000000000016100000100010", true, 4)] // an update
    [InlineData("12340100000100000000000101610000010001000029100000010000000000", true, 16)] // a newer EDNS
    public void Odd_queries_are_refused_with_the_right_code(string hex, bool answered, int rcode)
    {
        var request = new DnsRequest();
        Assert.Equal(answered, request.TryRead(Convert.FromHexString(hex.Length % 2 == 0 ? hex : hex[..^1]), isTcp: false, out var error));
        Assert.Equal(rcode, (int)error);
    }

    [Fact]
    public void Whatever_comes_in_nothing_is_thrown() =>
        Gen.Byte.Array[0, 200].Sample(bytes =>
        {
            // Half of them look like a query at the start, or they would all be refused at once.
            if (bytes.Length > 12 && bytes[0] % 2 == 0)
            {
                (bytes[2], bytes[4], bytes[5]) = (1, 0, 1);
            }

            var request = new DnsRequest();
            if (request.TryRead(bytes, isTcp: false, out var error))
            {
                var length = new DnsMessageWriter(new byte[4096], request).Write(error, false, [], [], []);
                Assert.InRange(length, 12, 512);
            }
        });

    [Fact]
    public void Records_survive_writing_and_reading() =>
        Gen.Select(GenName, GenRecord.Array[0, 30], Gen.Bool).Sample((name, records, edns) =>
        {
            var request = new DnsRequest();
            Assert.True(request.TryRead(DnsFixture.Query(name.ToString(), DnsType.A, edns), isTcp: true, out _));
            var packet = new byte[65_535];
            var length = new DnsMessageWriter(packet, request).Write(Rcode.NoError, true, [.. records], [], []);
            var answer = Answer.Read(packet[..length]);

            Assert.Equal(records.Select(r => r.ToString()), answer.Answers);
            Assert.Equal(edns ? 1 : 0, answer.Additional.Length);
        });

    [Fact]
    public void An_answer_never_exceeds_what_the_client_takes() =>
        Gen.Select(GenName, GenRecord.Array[0, 60], Gen.Bool).Sample((name, records, edns) =>
        {
            var request = new DnsRequest();
            Assert.True(request.TryRead(DnsFixture.Query(name.ToString(), DnsType.A, edns), isTcp: false, out _));
            var packet = new byte[4096];
            var length = new DnsMessageWriter(packet, request).Write(Rcode.NoError, true, [.. records], [], []);
            var answer = Answer.Read(packet[..length]);

            Assert.InRange(length, 12, edns ? 1232 : 512);
            Assert.Equal(answer.Answers.Length < records.Length, answer.Truncated);
            Assert.Equal(records.Take(answer.Answers.Length).Select(r => r.ToString()), answer.Answers);
        });

    [Theory]
    [InlineData("a.b.c", "b.c", true)]
    [InlineData("b.c", "b.c", true)]
    [InlineData("xb.c", "b.c", false)]
    [InlineData("c", "b.c", false)]
    public void Zones_end_at_labels(string name, string zone, bool inside) =>
        Assert.Equal(inside, DnsName.IsInZone(DnsName.Parse(name).Wire, DnsName.Parse(zone).Wire));

    [Theory]
    [InlineData("a..b")]
    [InlineData("")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b")] // 64 letters
    public void What_is_no_name_is_not_taken_for_one(string text) => Assert.False(DnsName.TryParse(text, out _));
}
