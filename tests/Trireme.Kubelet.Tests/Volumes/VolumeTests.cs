using System.Text;
using CsCheck;
using Microsoft.Extensions.Time.Testing;
using Trireme.Kubelet.Os;
using Trireme.Kubelet.Volumes;
using Trireme.TestKit;

namespace Trireme.Kubelet.Tests.Volumes;

public sealed class VolumeTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Any_sequence_of_payloads_leaves_exactly_the_last_one()
    {
        string[] names = ["a", "b", "dir/a", "dir/b", "c"];
        var entry = Gen.Select(Gen.Int[0, names.Length - 1], Gen.Int[0, 99], (name, value) => (Name: names[name], Value: $"{value}"));
        var payloads = entry.Array[0, 4].Select(entries => entries.DistinctBy(e => e.Name).ToDictionary(e => e.Name, e => e.Value)).Array[1, 5];
        var run = 0;
        payloads.Sample(
            sequence =>
            {
                var volume = _directory["v" + Interlocked.Increment(ref run)];
                var time = new FakeTimeProvider();
                foreach (var payload in sequence)
                {
                    AtomicWriter.Write(volume, payload.ToDictionary(p => p.Key, p => new VolumeFile(Encoding.UTF8.GetBytes(p.Value), 0x1A4)), time);
                    var seen = payload.ToDictionary(p => p.Key, p => File.ReadAllText(Path.Combine(volume, p.Key)));
                    Assert.Equal(payload, seen);
                }

                var visible = Directory.GetFileSystemEntries(volume).Select(Path.GetFileName).Where(n => !n!.StartsWith("..", StringComparison.Ordinal));
                Assert.Equal(sequence[^1].Keys.Select(k => k.Split('/')[0]).Distinct().Order(), visible.Order());
                Assert.Equal(2, Directory.GetFileSystemEntries(volume, "..*").Length);
            },
            iter: 50,
            threads: 1);
    }

    [Fact]
    public void An_unchanged_payload_is_not_written_again()
    {
        var payload = new Dictionary<string, VolumeFile> { ["a"] = new("1"u8.ToArray(), 0x100) };
        var volume = _directory["v"];

        Assert.True(AtomicWriter.Write(volume, payload, TimeProvider.System));
        var target = new FileInfo(Path.Combine(volume, "..data")).LinkTarget;
        Assert.False(AtomicWriter.Write(volume, payload, TimeProvider.System));

        Assert.Equal(target, new FileInfo(Path.Combine(volume, "..data")).LinkTarget);
        Assert.Equal(UnixFileMode.UserRead, File.GetUnixFileMode(Path.Combine(volume, "..data", "a")));
    }

    [Theory]
    [InlineData("../x")]
    [InlineData("/x")]
    [InlineData("a/../../x")]
    [InlineData("..data")]
    public void A_path_that_leaves_the_volume_is_refused(string path) => Assert.Throws<VolumeException>(() => AtomicWriter.CheckPath(path));

    [Fact]
    public void A_sub_path_follows_links_inside_the_volume_only()
    {
        var volume = _directory["v"];
        Directory.CreateDirectory(Path.Combine(volume, "real/deep"));
        Directory.CreateSymbolicLink(Path.Combine(volume, "inside"), "real/deep");
        Directory.CreateSymbolicLink(Path.Combine(volume, "outside"), "../../etc");
        Directory.CreateSymbolicLink(Path.Combine(volume, "absolute"), "/etc");

        Assert.Equal(Path.Combine(volume, "real/deep/new"), SubPaths.Resolve(volume, "inside/new"));
        Assert.True(Directory.Exists(Path.Combine(volume, "real/deep/new")));
        Assert.Throws<VolumeException>(() => SubPaths.Resolve(volume, "outside/passwd"));
        Assert.Throws<VolumeException>(() => SubPaths.Resolve(volume, "absolute/passwd"));
        Assert.Throws<VolumeException>(() => SubPaths.Resolve(volume, "../v"));
    }

    [Fact]
    public void A_sub_path_is_made_as_open_as_its_volume()
    {
        var volume = _directory["v"];
        const UnixFileMode open = (UnixFileMode)0x5FF; // 02777
        Directory.CreateDirectory(volume);
        File.SetUnixFileMode(volume, open);

        Assert.Equal(open, File.GetUnixFileMode(SubPaths.Resolve(volume, "deep/down")));
        Assert.Equal(open, File.GetUnixFileMode(Path.Combine(volume, "deep")));
    }

    [Fact]
    public void A_group_is_given_what_is_in_the_volume_and_nothing_that_a_link_leads_to()
    {
        var outside = _directory["outside"];
        Directory.CreateDirectory(Path.Combine(outside, "sub"));
        var volume = _directory["v"];
        Directory.CreateDirectory(Path.Combine(volume, "own"));
        Directory.CreateSymbolicLink(Path.Combine(volume, "link"), outside);

        FileOwnership.SetGroup(volume, 0, readOnly: false);

        Assert.True(File.GetUnixFileMode(Path.Combine(volume, "own")).HasFlag(UnixFileMode.SetGroup));
        Assert.False(File.GetUnixFileMode(Path.Combine(outside, "sub")).HasFlag(UnixFileMode.SetGroup));
    }

    [Fact]
    public void A_path_through_a_link_is_known_as_the_kernel_knows_it()
    {
        Directory.CreateDirectory(_directory["real"]);
        Directory.CreateSymbolicLink(_directory["link"], _directory["real"]);

        Assert.Equal(Linux.RealPath(_directory["real"]), Linux.RealPath(_directory["link"]));
        Assert.Throws<IOException>(() => Linux.RealPath(_directory["none"]));
    }

    [Fact]
    public void Host_paths_are_checked_and_made()
    {
        HostPaths.Ensure(_directory["made"], "DirectoryOrCreate");
        HostPaths.Ensure(_directory["file"], "FileOrCreate");

        Assert.True(Directory.Exists(_directory["made"]));
        HostPaths.Ensure("/dev/null", "CharDevice");
        Assert.Throws<VolumeException>(() => HostPaths.Ensure(_directory["file"], "Directory"));
        Assert.Throws<VolumeException>(() => HostPaths.Ensure(_directory["none"], "File"));
        Assert.Throws<VolumeException>(() => HostPaths.Ensure(_directory["file"], "Socket"));
    }
}
