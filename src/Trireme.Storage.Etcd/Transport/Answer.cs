namespace Trireme.Storage.Etcd.Transport;

/// <summary>What a member answered to a call.</summary>
/// <param name="Response">The answer.</param>
/// <param name="IsRepeated">Whether an earlier attempt of the call may have had an effect, or may still have one when it arrives.</param>
internal readonly record struct Answer<T>(T Response, bool IsRepeated);
