using System.Net;
using System.Security.Cryptography.X509Certificates;
using Trireme.Api.Models.Certificates.V1;

namespace Trireme.Controllers.CertificateSigning;

/// <summary>What a node's certificate request asks for, if it is one that a node may make.</summary>
/// <param name="Node">Name of the node.</param>
/// <param name="DnsNames">Names of a serving certificate.</param>
/// <param name="Addresses">Addresses of a serving certificate.</param>
/// <param name="Request">The request as it is signed: subject, key and names, nothing else of what was sent.</param>
internal sealed record NodeRequest(string Node, IReadOnlyList<string> DnsNames, IReadOnlyList<IPAddress> Addresses, CertificateRequest Request)
{
    public const string ClientSigner = "kubernetes.io/kube-apiserver-client-kubelet";
    public const string ServingSigner = "kubernetes.io/kubelet-serving";

    private const string NodePrefix = "system:node:";
    private const string NodesGroup = "system:nodes";

    /// <summary>Reads a request; see https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers for what is allowed.</summary>
    /// <returns>The request, or in words why no node may make it.</returns>
    public static (NodeRequest? Request, string? Refusal) Read(CertificateSigningRequestSpec spec)
    {
        if (Pkcs10.Parse(spec, out var problem) is not { } pkcs10)
        {
            return (null, problem);
        }

        var (name, organizations) = Subject(pkcs10.SubjectName);
        if (organizations is not [NodesGroup] || name?.StartsWith(NodePrefix, StringComparison.Ordinal) != true || name.Length == NodePrefix.Length)
        {
            return (null, $"subject must be CN={NodePrefix}NAME in organization {NodesGroup}");
        }

        var names = Pkcs10.NamesOf(pkcs10);
        var dns = names?.EnumerateDnsNames().ToList() ?? [];
        var addresses = names?.EnumerateIPAddresses().ToList() ?? [];
        var serving = spec.SignerName == ServingSigner;
        var wantedUsage = serving ? "server auth" : "client auth";
        var usages = spec.Usages ?? [];
        if (!usages.Contains(wantedUsage) || usages.Exists(u => u != wantedUsage && !Pkcs10.KeyUsages.Contains(u)))
        {
            return (null, $"usages must be {wantedUsage}, digital signature and perhaps key encipherment");
        }

        if (serving ? dns.Count + addresses.Count == 0 : dns.Count + addresses.Count > 0)
        {
            return (null, serving ? "DNS names or IP addresses are required" : "DNS names and IP addresses are not allowed");
        }

        if (serving && spec.Username != name)
        {
            return (null, "a serving certificate can only be asked for by its node");
        }

        return (new NodeRequest(name[NodePrefix.Length..], dns, addresses, ToSign(pkcs10, usages, dns, addresses)), null);
    }

    private static CertificateRequest ToSign(CertificateRequest asked, List<string> usages, List<string> dns, List<IPAddress> addresses)
    {
        var builder = new SubjectAlternativeNameBuilder();
        dns.ForEach(builder.AddDnsName);
        addresses.ForEach(builder.AddIpAddress);
        return Pkcs10.Remake(asked, usages, dns.Count + addresses.Count > 0 ? builder.Build() : null);
    }

    private static (string? Name, List<string> Organizations) Subject(X500DistinguishedName subject)
    {
        string? name = null;
        var organizations = new List<string>();
        foreach (var part in subject.EnumerateRelativeDistinguishedNames())
        {
            if (part.HasMultipleElements)
            {
                continue;
            }

            switch (part.GetSingleElementType().Value)
            {
                case "2.5.4.3":
                    name = part.GetSingleElementValue();
                    break;
                case "2.5.4.10":
                    organizations.Add(part.GetSingleElementValue() ?? "");
                    break;
                default:
                    break;
            }
        }

        return (name, organizations);
    }
}
