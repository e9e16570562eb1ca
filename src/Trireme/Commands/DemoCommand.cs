using System.CommandLine;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Trireme.Output;

namespace Trireme.Commands;

/// <summary><c>trireme demo</c>: the web server in the demo's containers; it says which pod answers.</summary>
internal static class DemoCommand
{
    public static Command Create()
    {
        var port = new Option<int>("--port") { Description = "Port to listen on", DefaultValueFactory = _ => 8080 };
        return new Command("demo", "Serve a page that names the answering host (the workload of 'up --demo')") { port }.Runs(async (parsed, cancellationToken) =>
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Any, parsed.GetValue(port)));
            await using var app = builder.Build();
            app.Run(context => context.Response.WriteAsync($"Hello from {Environment.MachineName}\n", cancellationToken));
            await app.StartAsync(cancellationToken);
            Console.WriteLine($"{Environment.MachineName} is listening on port {parsed.GetValue(port)}");
            await app.WaitForShutdownAsync(cancellationToken);
            return CommandFailure.Success;
        });
    }
}
