using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Authn;

/// <summary>Users by tokens in a file (<c>--token-auth-file</c>): lines of <c>token,user,uid[,"group1,group2"]</c>, read once.</summary>
public sealed class StaticTokenAuthenticator : ITokenAuthenticator
{
    private readonly Dictionary<string, UserInfo> _users = new(StringComparer.Ordinal);

    /// <summary>Reads the lines of a token file.</summary>
    /// <exception cref="FormatException">A line has fewer than three fields or a token comes twice.</exception>
    public StaticTokenAuthenticator(IEnumerable<string> lines)
    {
        var number = 0;
        foreach (var line in lines)
        {
            number++;
            var fields = Fields(line);
            if (fields.Count == 0)
            {
                continue;
            }

            if (fields.Count < 3 || fields[0].Length == 0 || fields[1].Length == 0)
            {
                throw new FormatException($"Token file line {number} must be token,user,uid[,\"groups\"]");
            }

            var groups = fields.Count > 3 ? fields[3].Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) : [];
            var user = new UserInfo(fields[1], [.. groups, UserInfo.AllAuthenticated]) { Uid = fields[2] };
            if (!_users.TryAdd(fields[0], user))
            {
                throw new FormatException($"Token file line {number} repeats a token");
            }
        }
    }

    public ValueTask<AuthenticationResult> AuthenticateAsync(string token, IReadOnlyList<string> audiences, CancellationToken cancellationToken) =>
        ValueTask.FromResult(_users.TryGetValue(token, out var user) ? AuthenticationResult.Success(user, audiences) : AuthenticationResult.NoOpinion);

    /// <summary>One CSV record: fields between commas, quotes around a field that holds one.</summary>
    private static List<string> Fields(string line)
    {
        var fields = new List<string>();
        if (string.IsNullOrWhiteSpace(line) || line.StartsWith('#'))
        {
            return fields;
        }

        var field = new System.Text.StringBuilder();
        var quoted = false;
        for (var i = 0; i < line.Length; i++)
        {
            if (line[i] == '"' && quoted && i + 1 < line.Length && line[i + 1] == '"')
            {
                field.Append('"');
                i++;
            }
            else if (line[i] == '"')
            {
                quoted = !quoted;
            }
            else if (line[i] == ',' && !quoted)
            {
                fields.Add(field.ToString().Trim());
                field.Clear();
            }
            else
            {
                field.Append(line[i]);
            }
        }

        fields.Add(field.ToString().Trim());
        return fields;
    }
}
