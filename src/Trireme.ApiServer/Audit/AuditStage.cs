using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Trireme.Api.Models;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Audit;

/// <summary>Writes who did what, when and with which outcome, once a request has ended.</summary>
internal sealed class AuditStage(AuditLog? log, TimeProvider timeProvider, RequestHandler next)
{
    public Task InvokeAsync(HttpContext http, RequestContext context) =>
        log is null || AuditPolicy.LevelOf(context.Info) == AuditLevel.None ? next(http, context) : AuditedAsync(http, context, log);

    private async Task AuditedAsync(HttpContext http, RequestContext context, AuditLog auditLog)
    {
        var received = timeProvider.GetUtcNow();
        var user = context.User;
        var code = StatusCodes.Status500InternalServerError;
        try
        {
            await next(http, context);
            code = http.Response.StatusCode;
        }
        catch (ApiStatusException refused)
        {
            code = refused.Status.Code;
            throw;
        }
        finally
        {
            auditLog.Write(ToJson(http, context, user, code, received, timeProvider.GetUtcNow()));
        }
    }

    private static byte[] ToJson(HttpContext http, RequestContext context, UserInfo user, int code, DateTimeOffset received, DateTimeOffset ended)
    {
        var info = context.Info;
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("kind"u8, "Event"u8);
            json.WriteString("apiVersion"u8, "audit.k8s.io/v1"u8);
            json.WriteString("level"u8, "Metadata"u8);
            json.WriteString("auditID"u8, context.AuditId);
            json.WriteString("stage"u8, "ResponseComplete"u8);
            json.WriteString("requestURI"u8, info.Path + http.Request.QueryString.Value);
            json.WriteString("verb"u8, info.Verb);
            WriteUser(json, "user", user);
            if (context.Impersonator is not null)
            {
                WriteUser(json, "impersonatedUser", context.User);
            }

            json.WriteStartArray("sourceIPs"u8);
            json.WriteStringValue(http.Connection.RemoteIpAddress?.ToString());
            json.WriteEndArray();
            json.WriteString("userAgent"u8, http.Request.Headers.UserAgent.ToString());
            if (info.IsResourceRequest)
            {
                WriteObject(json, info);
            }

            json.WriteStartObject("responseStatus"u8);
            json.WriteNumber("code"u8, code);
            json.WriteEndObject();
            json.WriteString("requestReceivedTimestamp"u8, KubernetesTime.FormatMicro(received));
            json.WriteString("stageTimestamp"u8, KubernetesTime.FormatMicro(ended));
            json.WriteStartObject("annotations"u8);
            json.WriteString("authorization.k8s.io/decision"u8, code == StatusCodes.Status403Forbidden ? "forbid" : "allow");
            json.WriteString("authorization.k8s.io/reason"u8, context.AuthorizationReason ?? "");
            json.WriteEndObject();
            json.WriteEndObject();
        }

        return buffer.ToArray();
    }

    private static void WriteUser(Utf8JsonWriter json, string name, UserInfo user)
    {
        json.WriteStartObject(name);
        json.WriteString("username"u8, user.Name);
        json.WriteStartArray("groups"u8);
        foreach (var group in user.Groups)
        {
            json.WriteStringValue(group);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteObject(Utf8JsonWriter json, RequestInfo info)
    {
        json.WriteStartObject("objectRef"u8);
        foreach (var (name, value) in (ReadOnlySpan<(string, string)>)
            [("resource", info.Resource), ("namespace", info.Namespace), ("name", info.Name), ("apiGroup", info.Group), ("apiVersion", info.Version), ("subresource", info.Subresource)])
        {
            if (value.Length > 0)
            {
                json.WriteString(name, value);
            }
        }

        json.WriteEndObject();
    }
}
