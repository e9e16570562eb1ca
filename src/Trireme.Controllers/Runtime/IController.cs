namespace Trireme.Controllers.Runtime;

/// <summary>One control loop of the controller manager. It reads through informers from the start, but acts only while it runs.</summary>
public interface IController
{
    /// <summary>Upstream's name, as <c>--controllers</c> knows it: <c>deployment-controller</c>.</summary>
    string Name { get; }

    /// <summary>Acts until cancelled: once per term of leadership. Informers have synced before.</summary>
    Task RunAsync(CancellationToken cancellationToken);
}
