using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;
using Trireme.ApiServer.Authz;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Tests.Pipeline;

public sealed class DeadlineStageTests
{
    private readonly FakeTimeProvider _time = new();

    [Theory]
    [InlineData("", 60)]
    [InlineData("?timeout=5s", 5)]
    [InlineData("?timeout=0s", 60)]
    [InlineData("?timeout=2h", 60)]
    public async Task A_request_that_does_not_end_is_ended(string query, int seconds)
    {
        var (http, context) = Request("/api/v1/pods", query);
        var running = new DeadlineStage(_time, HangAsync).InvokeAsync(http, context);
        _time.Advance(TimeSpan.FromSeconds(seconds) - TimeSpan.FromMilliseconds(1));
        Assert.False(running.IsCompleted);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        var ended = await Assert.ThrowsAsync<ApiStatusException>(() => running);
        Assert.Equal((504, "Timeout"), (ended.Status.Code, ended.Status.Reason));
        Assert.False(http.RequestAborted.IsCancellationRequested);
    }

    [Theory]
    [InlineData("/api/v1/pods", "?watch=true&timeout=5s")]
    [InlineData("/api/v1/namespaces/default/pods/p/log", "?follow=true")]
    public async Task What_may_last_lasts(string path, string query)
    {
        var (http, context) = Request(path, query);
        using var client = new CancellationTokenSource();
        http.RequestAborted = client.Token;
        var running = new DeadlineStage(_time, HangAsync).InvokeAsync(http, context);
        _time.Advance(TimeSpan.FromHours(1));
        Assert.False(running.IsCompleted);
        await client.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
    }

    [Fact]
    public async Task A_client_that_leaves_is_told_nothing_of_a_deadline()
    {
        var (http, context) = Request("/api/v1/pods", "");
        using var client = new CancellationTokenSource();
        http.RequestAborted = client.Token;
        var running = new DeadlineStage(_time, HangAsync).InvokeAsync(http, context);
        await client.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
    }

    [Fact]
    public async Task A_timeout_that_is_none_is_refused()
    {
        var (http, context) = Request("/api/v1/pods", "?timeout=soon");
        var refused = await Assert.ThrowsAsync<ApiStatusException>(() => new DeadlineStage(_time, HangAsync).InvokeAsync(http, context));
        Assert.Equal(400, refused.Status.Code);
    }

    private static Task HangAsync(HttpContext http, RequestContext context) => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, http.RequestAborted);

    private static (HttpContext Http, RequestContext Context) Request(string path, string query)
    {
        var http = new DefaultHttpContext();
        http.Request.Method = "GET";
        http.Request.Path = path;
        http.Request.QueryString = new QueryString(query);
        return (http, new RequestContext { Info = RequestInfoFactory.Create(http), Authorizer = new UnionAuthorizer([]), Draining = CancellationToken.None, AuditId = "" });
    }
}
