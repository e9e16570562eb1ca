using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Http;
using Trireme.ApiServer.Pipeline;
using Trireme.Component.Certificates;

namespace Trireme.ApiServer.Authn;

/// <summary>Users by client certificate: the common name is the user, each organization is a group.</summary>
/// <remarks>
/// A certificate is verified once per connection and again after <see cref="s_verifiedFor"/>, so that a CA that was taken out of the file
/// also ends connections that exist.
/// </remarks>
public sealed class ClientCertificateAuthenticator(CertificateAuthorityFile authorities, TimeProvider timeProvider) : IAuthenticator
{
    private const string CommonName = "2.5.4.3";
    private const string Organization = "2.5.4.10";
    private static readonly TimeSpan s_verifiedFor = TimeSpan.FromMinutes(5);

    private readonly ConditionalWeakTable<X509Certificate2, Verified> _verified = [];

    public ValueTask<AuthenticationResult> AuthenticateAsync(HttpContext http, CancellationToken cancellationToken)
    {
        if (http.Connection.ClientCertificate is not { } certificate)
        {
            return ValueTask.FromResult(AuthenticationResult.NoOpinion);
        }

        var now = timeProvider.GetUtcNow();
        if (!_verified.TryGetValue(certificate, out var verified) || now >= verified.Until)
        {
            verified = Verify(certificate, now);
            _verified.AddOrUpdate(certificate, verified);
        }

        return ValueTask.FromResult(verified.Result);
    }

    private Verified Verify(X509Certificate2 certificate, DateTimeOffset now)
    {
        var until = now + s_verifiedFor;
        if (!authorities.Verify(certificate, null, KeyPurpose.ClientAuth, out var why))
        {
            return new Verified(AuthenticationResult.Failed($"x509: certificate {certificate.Subject} is not valid: {why}"), until);
        }

        var expires = new DateTimeOffset(certificate.NotAfter.ToUniversalTime());
        return new Verified(UserOf(certificate), expires < until ? expires : until);
    }

    private static AuthenticationResult UserOf(X509Certificate2 certificate)
    {
        string? name = null;
        var groups = new List<string>();
        foreach (var part in certificate.SubjectName.EnumerateRelativeDistinguishedNames(reversed: false))
        {
            if (part.HasMultipleElements)
            {
                continue;
            }

            switch (part.GetSingleElementType().Value)
            {
                case CommonName:
                    name = part.GetSingleElementValue();
                    break;
                case Organization when part.GetSingleElementValue() is { } group:
                    groups.Add(group);
                    break;
            }
        }

        if (string.IsNullOrEmpty(name))
        {
            return AuthenticationResult.Failed("x509: the certificate's subject has no common name");
        }

        groups.Add(UserInfo.AllAuthenticated);
        var extra = new Dictionary<string, IReadOnlyList<string>>(StringComparer.Ordinal)
        {
            ["authentication.kubernetes.io/credential-id"] = ["X509SHA256=" + certificate.GetCertHashString(HashAlgorithmName.SHA256).ToLowerInvariant()],
        };
        return AuthenticationResult.Success(new UserInfo(name, "", groups, extra));
    }

    private sealed record Verified(AuthenticationResult Result, DateTimeOffset Until);
}
