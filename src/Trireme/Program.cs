using System.CommandLine;

var root = new RootCommand("A highly available Kubernetes: one program that turns machines into a cluster.");
return await root.Parse(args).InvokeAsync();
