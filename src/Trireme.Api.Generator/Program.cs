using Trireme.Api.Generator;

// Usage: Trireme.Api.Generator FACTS.json ROOTS.txt OUTPUT-FOLDER
// Makes the typed models of Trireme.Api from its facts before the compiler runs (see Trireme.Api.csproj).
if (args.Length != 3)
{
    Console.Error.WriteLine("usage: Trireme.Api.Generator FACTS.json ROOTS.txt OUTPUT-FOLDER");
    return 2;
}

var facts = ApiFacts.Load(args[0]);
var roots = File.ReadAllLines(args[1]).Select(l => l.Trim()).Where(l => l.Length > 0 && l[0] != '#');
var types = facts.Closure(roots).ToList();
var emitter = new ModelEmitter(facts, [.. types.Select(t => t.Key)]);
var names = types.Select(t => t.Key).ToHashSet();
Directory.CreateDirectory(args[2]);
foreach (var group in types.GroupBy(t => t.GroupVersion))
{
    var enums = facts.Enums.Where(e => e.Key.StartsWith(group.Key + ".", StringComparison.Ordinal) && !names.Contains(e.Key));
    File.WriteAllText(Path.Combine(args[2], group.Key + ".g.cs"), emitter.EmitGroup(group.Key, group, enums));
}

return 0;
