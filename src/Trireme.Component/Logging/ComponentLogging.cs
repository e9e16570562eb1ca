using Microsoft.Extensions.Logging;

namespace Trireme.Component.Logging;

/// <summary>Logging as every process of Trireme does it: one line per message on standard error.</summary>
public static class ComponentLogging
{
    /// <summary>A logger factory that writes to standard error.</summary>
    /// <param name="minimum">Least level that is written.</param>
    /// <param name="timeProvider">Clock of the time stamps.</param>
    public static ILoggerFactory Create(LogLevel minimum, TimeProvider timeProvider) => LoggerFactory.Create(logging =>
    {
        logging.SetMinimumLevel(minimum);
        logging.AddFilter("Microsoft", LogLevel.Warning);

        // Kestrel logs an aborted handshake or a failed bind; the first is noise and the second is thrown anyhow.
        logging.AddFilter("Microsoft.AspNetCore.Server.Kestrel", LogLevel.Error);
        logging.AddFilter("Microsoft.Extensions.Hosting", LogLevel.None);
        logging.AddFilter("Yarp", LogLevel.Warning);
#pragma warning disable CA2000 // The factory owns and disposes its providers.
        logging.AddProvider(new LineLoggerProvider(Console.OpenStandardError(), timeProvider));
#pragma warning restore CA2000
    });

    /// <summary>The level that Kubernetes' <c>-v</c> number stands for: 0 to 3 information, 4 and 5 debug, above everything.</summary>
    public static LogLevel FromVerbosity(int verbosity) => verbosity switch
    {
        < 0 => LogLevel.Warning,
        <= 3 => LogLevel.Information,
        <= 5 => LogLevel.Debug,
        _ => LogLevel.Trace,
    };
}
