using System.Globalization;
using System.Text;

namespace Trireme.Client.Transport;

/// <summary>Options of a list or watch as the query of its URL.</summary>
internal static class ApiQuery
{
    /// <summary>With its leading question mark, or empty.</summary>
    public static string Of(ListOptions? options, bool watch)
    {
        if (options is null)
        {
            return "";
        }

        var query = new StringBuilder();
        if (watch)
        {
            Add("watch", "true");
            Add("allowWatchBookmarks", "true");
        }

        Add("labelSelector", options.LabelSelector);
        Add("fieldSelector", options.FieldSelector);
        Add("resourceVersion", options.ResourceVersion);
        Add("continue", options.Continue);
        Add("limit", options.Limit > 0 ? options.Limit.ToString(CultureInfo.InvariantCulture) : null);
        Add("timeoutSeconds", options.TimeoutSeconds?.ToString(CultureInfo.InvariantCulture));
        if (!watch)
        {
            Add("resourceVersionMatch", options.ResourceVersionMatch);
        }

        return query.ToString();

        void Add(string key, string? value)
        {
            if (!string.IsNullOrEmpty(value))
            {
                query.Append(query.Length == 0 ? '?' : '&').Append(key).Append('=').Append(Uri.EscapeDataString(value));
            }
        }
    }}
