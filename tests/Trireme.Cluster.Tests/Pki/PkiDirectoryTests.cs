using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Trireme.Cluster.Pki;

namespace Trireme.Cluster.Tests.Pki;

public sealed class PkiDirectoryTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 6, 1, 0, 0, 0, TimeSpan.Zero));

    private static MachineNames Names => new("server-1", [IPAddress.Parse("10.0.0.1")])
    {
        EndpointAddresses = [IPAddress.Parse("10.0.0.100")],
    };

    [Fact]
    public void A_server_gets_every_certificate_and_each_is_signed_by_its_authority()
    {
        var pki = Ensure(out var made);
        Assert.Equal(ServerCertificates.For(Names).Count, made.Count);
        foreach (var leaf in ServerCertificates.For(Names))
        {
            using var authority = pki.LoadAuthority(leaf.Authority);
            using var certificate = PemKeyPair.TryLoad(pki.PathOf(leaf.Name))!.ToCertificate();
            Assert.True(authority.HasIssued(certificate), leaf.Name);
            Assert.True(certificate.HasPrivateKey);
        }
    }

    [Fact]
    public void Files_are_readable_by_their_owner_only()
    {
        Ensure(out _);
        foreach (var file in Directory.GetFiles(_directory.Path, "*", SearchOption.AllDirectories))
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        }
    }

    [Fact]
    public void The_api_server_is_known_by_every_name_that_clients_use()
    {
        var pki = Ensure(out _);
        using var certificate = PemKeyPair.TryLoad(pki.PathOf("apiserver"))!.ToCertificate();
        string[] names = ["server-1", "localhost", "127.0.0.1", "10.0.0.1", "10.0.0.100", "10.96.0.1", "kubernetes.default.svc.cluster.local"];
        Assert.All(names, name => Assert.True(certificate.MatchesHostname(name), name));
    }

    [Fact]
    public void A_second_run_keeps_everything()
    {
        Ensure(out _);
        Ensure(out var made);
        Assert.Empty(made);
    }

    [Fact]
    public void Leaves_are_renewed_when_less_than_a_third_of_their_life_is_left()
    {
        Ensure(out _);
        _time.Advance(TimeSpan.FromDays(240));
        Ensure(out var early);
        Assert.Empty(early);
        _time.Advance(TimeSpan.FromDays(10));
        Ensure(out var late);
        Assert.Equal(ServerCertificates.For(Names).Count, late.Count);
    }

    [Fact]
    public void A_new_address_renews_only_the_certificates_that_must_hold_it()
    {
        var pki = Ensure(out _);
        var moved = Names with { Addresses = [IPAddress.Parse("10.0.0.77")] };
        var made = pki.EnsureLeaves(ServerCertificates.For(moved));
        Assert.Equal(["apiserver", "etcd/peer", "etcd/server", "kubelet"], made.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_certificate_of_another_authority_is_replaced()
    {
        var pki = Ensure(out _);
        using var foreign = CertificateAuthority.Create("kubernetes", _time);
        foreign.Issue(ServerCertificates.For(Names).Single(l => l.Name == "admin").Spec).Save(pki.PathOf("admin"));
        Ensure(out var made);
        Assert.Equal(["admin"], made);
    }

    [Fact]
    public void An_unreadable_service_account_key_is_an_error_and_never_replaced()
    {
        var pki = Ensure(out _);
        File.WriteAllText(pki.PathOf("sa.key"), "not a key");
        Assert.ThrowsAny<Exception>(pki.EnsureAuthorities);
        Assert.Equal("not a key", File.ReadAllText(pki.PathOf("sa.key")));
    }

    [Fact]
    public void Half_an_authority_is_an_error()
    {
        var pki = Ensure(out _);
        File.Delete(pki.PathOf("ca.key"));
        Assert.Throws<InvalidOperationException>(pki.EnsureAuthorities);
    }

    [Fact]
    public void A_run_that_was_killed_between_the_key_of_an_authority_and_its_certificate_is_taken_up()
    {
        var pki = Ensure(out _);
        var key = File.ReadAllText(pki.PathOf("ca.key"));
        File.Delete(pki.PathOf("ca.crt"));
        Ensure(out var made);
        Assert.Equal(key, File.ReadAllText(pki.PathOf("ca.key")));

        // What the key had signed is as good as before.
        Assert.Empty(made);
    }

    [Theory]
    [InlineData("ca.key", "")]
    [InlineData("ca.key", "not a key")]
    [InlineData("ca.crt", "")]
    [InlineData("etcd/ca.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")]
    [InlineData("sa.key", "")]
    public void A_damaged_authority_is_named_with_the_remedy_and_left_alone(string file, string content)
    {
        var pki = Ensure(out _);
        File.WriteAllText(pki.PathOf(file), content);
        var error = Assert.Throws<InvalidOperationException>(pki.EnsureAuthorities);
        Assert.Contains(pki.PathOf(file), error.Message);
        Assert.Contains("restore", error.Message);
        Assert.Equal(content, File.ReadAllText(pki.PathOf(file)));
    }

    [Fact]
    public void The_pin_is_the_hash_of_the_public_key_as_openssl_computes_it()
    {
        var pki = Ensure(out _);
        using var authority = pki.LoadAuthority(PkiDirectory.ClusterCa);
        using var key = ECDsa.Create();
        key.ImportFromPem(File.ReadAllText(pki.PathOf("ca.key")));
        var expected = "sha256:" + Convert.ToHexStringLower(SHA256.HashData(key.ExportSubjectPublicKeyInfo()));
        Assert.Equal(expected, CertificateInspection.PublicKeyHash(authority.Certificate));
    }

    [Fact]
    public void A_kubeconfig_is_written_once_and_carries_everything()
    {
        var pki = Ensure(out _);
        var client = PemKeyPair.TryLoad(pki.PathOf("admin"))!;
        var path = _directory["admin.conf"];
        var ca = File.ReadAllText(pki.PathOf("ca.crt"));
        Assert.True(KubeconfigWriter.Write(path, "kubernetes-admin", new Uri("https://10.0.0.1:6443"), ca, client));
        Assert.False(KubeconfigWriter.Write(path, "kubernetes-admin", new Uri("https://10.0.0.1:6443"), ca, client));
        Assert.Contains("server: https://10.0.0.1:6443\n", File.ReadAllText(path));
    }

    public void Dispose() => _directory.Dispose();

    private PkiDirectory Ensure(out IReadOnlyList<string> made)
    {
        var pki = new PkiDirectory(_directory["pki"], _time, NullLogger.Instance);
        pki.EnsureAuthorities();
        made = pki.EnsureLeaves(ServerCertificates.For(Names));
        return pki;
    }
}
