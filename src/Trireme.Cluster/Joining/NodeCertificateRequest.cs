using System.Security.Cryptography;
using System.Text;
using Trireme.Api.Models.Certificates.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Client;
using Trireme.Cluster.Pki;

namespace Trireme.Cluster.Joining;

/// <summary>Asks the cluster to sign a certificate for this machine; the private key never leaves it.</summary>
public sealed class NodeCertificateRequest(IApiClient client, TimeProvider time)
{
    public const string ClientSigner = "kubernetes.io/kube-apiserver-client-kubelet";
    public const string ServingSigner = "kubernetes.io/kubelet-serving";

    private static readonly TimeSpan _poll = TimeSpan.FromMilliseconds(100);

    /// <summary>Makes a key and a request, and waits for the certificate.</summary>
    /// <exception cref="ApiException">The request was refused.</exception>
    /// <exception cref="InvalidOperationException">It was denied, or failed.</exception>
    public async Task<PemKeyPair> RequestAsync(CertificateSpec spec, string signer, CancellationToken cancellationToken)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = await client.CreateAsync(
            new CertificateSigningRequest
            {
                Metadata = new ObjectMeta { Name = $"{(signer == ServingSigner ? "csr-serving-" : "csr-client-")}{RandomNumberGenerator.GetHexString(12, lowercase: true)}" },
                Spec = new CertificateSigningRequestSpec
                {
                    Request = Encoding.UTF8.GetBytes(CertificateAuthority.SigningRequest(spec, key)),
                    SignerName = signer,
                    Usages = ["digital signature", signer == ServingSigner ? "server auth" : "client auth"],
                },
            },
            cancellationToken);
        var name = request.Metadata.Name!;
        while (request.Status?.Certificate is not { Length: > 0 })
        {
            if (request.Status?.Conditions?.FirstOrDefault(c => c.Type is "Denied" or "Failed") is { } refused)
            {
                throw new InvalidOperationException($"CertificateSigningRequest {name} was {refused.Type?.ToLowerInvariant()}: {refused.Message}");
            }

            await Task.Delay(_poll, time, cancellationToken);
            try
            {
                request = await client.GetAsync<CertificateSigningRequest>(null, name, cancellationToken);
            }
            catch (ApiUnavailableException)
            {
                // The server may be restarting; the request is in the store.
            }
        }

        return new PemKeyPair(Encoding.UTF8.GetString(request.Status.Certificate), key.ExportPkcs8PrivateKeyPem() + "\n");
    }
}
