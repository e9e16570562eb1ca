using BenchmarkDotNet.Running;

BenchmarkSwitcher.FromAssembly(typeof(Trireme.Bench.ListBenchmark).Assembly).Run(args);
