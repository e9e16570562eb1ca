using Trireme.Proxy.Nftables;
using Trireme.Proxy.PodNetwork;

namespace Trireme.Proxy;

/// <summary>The last rules and routes on disk: a node that restarts while no API server can be reached serves as it did before.</summary>
/// <param name="folder">Where they are kept; null keeps none.</param>
/// <param name="host">Applies them.</param>
internal sealed class SavedState(string? folder, IHostTools host)
{
    private const string Rules = "rules.nft";
    private const string Routes = "routes";

    private string? _savedRoutes;

    /// <summary>Applies what is there, unless the rules are in force: then they are newer. Says what came of it; null when there was nothing.</summary>
    public async Task<string?> RestoreAsync(CancellationToken cancellationToken)
    {
        try
        {
            var routes = await ReadAsync(Routes, cancellationToken);
            var complaint = routes is null ? null : await host.ApplyRoutesAsync(routes, cancellationToken);
            var rules = await ReadAsync(Rules, cancellationToken);
            if (rules is null || await host.HasRulesAsync(cancellationToken))
            {
                return complaint;
            }

            return (await host.ApplyRulesAsync(rules, cancellationToken), complaint) switch
            {
                (null, null) => "done",
                (null, { } ofRoutes) => $"done but for routes: {ofRoutes}",
                ({ } ofRules, _) => ofRules,
            };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return e.Message;
        }
    }

    /// <summary>Whether these routes are the ones on disk.</summary>
    public bool Holds(IReadOnlyDictionary<string, string> routes) => folder is null || _savedRoutes == NodeRoutes.ToBatch(routes);

    /// <summary>Keeps a state. Null when it is kept, else why not.</summary>
    public string? Save(Ruleset rules, IReadOnlyDictionary<string, string> routes)
    {
        if (folder is null)
        {
            return null;
        }

        try
        {
            Directory.CreateDirectory(folder);
            var batch = NodeRoutes.ToBatch(routes);
            foreach (var (name, text) in new[] { (Rules, rules.ToScript()), (Routes, batch) })
            {
                var path = Path.Combine(folder, name);
                File.WriteAllText(path + ".new", text);
                File.Move(path + ".new", path, overwrite: true);
            }

            _savedRoutes = batch;
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"rules were not written to disk: {e.Message}";
        }
    }

    private async Task<string?> ReadAsync(string name, CancellationToken cancellationToken)
    {
        var path = folder is null ? null : Path.Combine(folder, name);
        return path is not null && File.Exists(path) ? await File.ReadAllTextAsync(path, cancellationToken) : null;
    }
}
