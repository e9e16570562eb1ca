using System.CommandLine;
using System.Text.Json;
using Trireme.Client.Configuration;
using Trireme.Lab;
using Trireme.Output;

namespace Trireme.Commands;

/// <summary><c>trireme kubeconfig</c>: where a kubeconfig for a lab is.</summary>
internal static class KubeconfigCommand
{
    public static Command Create()
    {
        var name = LabOptions.Name();
        var output = LabOptions.Output();
        var server = new Option<string?>("--server") { Description = "Straight to this server instead of the highly available endpoint" };
        return new Command("kubeconfig", "Print the path of a kubeconfig for the lab") { name, server, output }.Runs(async (parsed, cancellationToken) =>
        {
            var lab = LabHost.Open(parsed.GetRequiredValue(name));
            var path = lab.Store.KubeconfigOf(lab.Spec.Name);
            if (!File.Exists(path))
            {
                throw new LabException($"lab \"{lab.Spec.Name}\" was not built to the end: run 'trireme up --name {lab.Spec.Name}'");
            }

            if (parsed.GetValue(server) is { } machine)
            {
                path = await LabKubeconfig.StraightToAsync(lab, lab.Spec.Machine(machine), cancellationToken);
            }

            if (parsed.GetValue(output) == "json")
            {
                WriteJson(path);
            }
            else
            {
                Console.WriteLine(path);
            }

            return CommandFailure.Success;
        });
    }

    private static void WriteJson(string path)
    {
        using var stream = Console.OpenStandardOutput();
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteString("path", path);
        json.WriteString("server", Kubeconfig.Load(path).ToOptions().Servers[0].GetLeftPart(UriPartial.Authority));
        json.WriteEndObject();
        json.Flush();
        stream.WriteByte((byte)'\n');
    }
}
