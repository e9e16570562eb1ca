using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Trireme.ApiServer.Connect;

/// <summary>Query of a connect request as the kubelet reads it; only what the subresource knows is passed on.</summary>
internal static class ConnectQuery
{
    private static readonly string[] s_logs = ["follow", "previous", "sinceSeconds", "sinceTime", "timestamps", "tailLines", "limitBytes", "stream"];

    /// <summary>Options of <c>pods/log</c>, under the same names.</summary>
    public static string Logs(IQueryCollection query) => Build(s_logs.SelectMany(name => query[name].Select(value => (name, value))));

    /// <summary>Options of exec and attach: the kubelet's own names for the streams, commands in order.</summary>
    public static string Streams(IQueryCollection query, bool withCommand)
    {
        IEnumerable<(string, string?)> flags =
        [
            .. Flag(query["stdin"], "input"), .. Flag(query["stdout"], "output"), .. Flag(query["stderr"], "error"), .. Flag(query["tty"], "tty"),
        ];
        return Build(withCommand ? flags.Concat(query["command"].Select(c => ("command", c))) : flags);
    }

    /// <summary>Options of port-forward.</summary>
    public static string Ports(IQueryCollection query) => Build(query["ports"].SelectMany(p => (p ?? "").Split(',')).Where(p => p.Length > 0).Select(p => ("port", (string?)p)));

    private static IEnumerable<(string, string?)> Flag(StringValues value, string name) => value.Count > 0 && value[^1] is not ("0" or "false" or "") ? [(name, "1")] : [];

    private static string Build(IEnumerable<(string Name, string? Value)> parameters)
    {
        var text = new StringBuilder();
        foreach (var (name, value) in parameters)
        {
            text.Append(text.Length == 0 ? '?' : '&').Append(name).Append('=').Append(Uri.EscapeDataString(value ?? ""));
        }

        return text.ToString();
    }
}
