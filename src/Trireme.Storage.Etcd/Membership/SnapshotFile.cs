using System.Security.Cryptography;
using Trireme.Storage.Etcd.Rpc;
using Trireme.Storage.Etcd.Transport;

namespace Trireme.Storage.Etcd.Membership;

/// <summary>Receives a snapshot: the database, followed by its SHA-256.</summary>
internal static class SnapshotFile
{
    public static async Task<long> WriteAsync(EtcdChannel channel, string path, CancellationToken cancellationToken)
    {
        var partial = $"{path}.part";
        try
        {
            await using (var file = new FileStream(partial, FileMode.Create, FileAccess.ReadWrite, FileShare.Read))
            {
                using var call = channel.Maintenance.Snapshot(new SnapshotRequest(), cancellationToken: cancellationToken);
                while (await call.ResponseStream.MoveNext(cancellationToken).ConfigureAwait(false))
                {
                    await file.WriteAsync(call.ResponseStream.Current.Blob.Memory, cancellationToken).ConfigureAwait(false);
                }

                await CheckAsync(file, cancellationToken).ConfigureAwait(false);
                file.Flush(flushToDisk: true);
            }

            File.Move(partial, path, overwrite: true);
            return new FileInfo(path).Length;
        }
        catch
        {
            File.Delete(partial);
            throw;
        }
    }

    private static async Task CheckAsync(FileStream file, CancellationToken cancellationToken)
    {
        var content = file.Length - SHA256.HashSizeInBytes;
        var isSound = false;
        if (content > 0)
        {
            var expected = new byte[SHA256.HashSizeInBytes];
            file.Position = content;
            await file.ReadExactlyAsync(expected, cancellationToken).ConfigureAwait(false);
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            file.Position = 0;
            var buffer = new byte[128 * 1024];
            for (var left = content; left > 0;)
            {
                var read = await file.ReadAsync(buffer.AsMemory(0, (int)Math.Min(buffer.Length, left)), cancellationToken)
                    .ConfigureAwait(false);
                hash.AppendData(buffer, 0, read);
                left -= read;
            }

            isSound = hash.GetHashAndReset().AsSpan().SequenceEqual(expected);
        }

        if (!isSound)
        {
            throw new StoreCorruptException("Snapshot arrived damaged: its checksum does not match; take it again");
        }
    }
}
