using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.RegularExpressions;

namespace Trireme.Bench.Macro;

/// <summary>A plain HTTP client of a cluster, so that every server is measured by the same hand.</summary>
internal sealed partial class ClusterUnderTest : IDisposable
{
    private readonly X509Certificate2 _certificate;
    private readonly Uri _server;

    public ClusterUnderTest(string kubeconfig)
    {
        var text = File.ReadAllText(kubeconfig);
        _server = new Uri(Field(text, "server"));
        using var pem = X509Certificate2.CreateFromPem(Data(text, "client-certificate"), Data(text, "client-key"));
        _certificate = X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), null);
        Http = Connect();
    }

    /// <summary>A client over a connection pool that all callers share.</summary>
    public HttpClient Http { get; }

    /// <summary>A client of its own: one more connection, as one more user has.</summary>
    public HttpClient Connect() => new(new SocketsHttpHandler
    {
        SslOptions = new SslClientAuthenticationOptions { ClientCertificates = [_certificate], RemoteCertificateValidationCallback = (_, _, _, _) => true },
        UseProxy = false,
    })
    {
        BaseAddress = _server,
        Timeout = TimeSpan.FromMinutes(5),
    };

    /// <summary>Sends JSON; anything but success is an error with the server's words.</summary>
    public async Task SendAsync(HttpMethod method, string path, string? body)
    {
        using var request = new HttpRequestMessage(method, path);
        if (body is not null)
        {
            request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        }

        using var response = await Http.SendAsync(request);
        if (!response.IsSuccessStatusCode)
        {
            throw new InvalidOperationException($"{method} {path}: {(int)response.StatusCode} {await response.Content.ReadAsStringAsync()}");
        }

        await response.Content.CopyToAsync(Stream.Null);
    }

    public void Dispose()
    {
        Http.Dispose();
        _certificate.Dispose();
    }

    private static string Data(string text, string name) =>
        Regex.IsMatch(text, $@"{name}-data:") ? Encoding.UTF8.GetString(Convert.FromBase64String(Field(text, name + "-data"))) : File.ReadAllText(Field(text, name));

    private static string Field(string text, string name) => Regex.Match(text, $@"\b{Regex.Escape(name)}:\s*""?([^\s""]+)").Groups[1].Value;
}
