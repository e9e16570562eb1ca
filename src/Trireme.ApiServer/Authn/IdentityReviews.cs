using Microsoft.AspNetCore.Http;
using Trireme.Api;
using Trireme.Api.Models.Authentication.V1;
using Trireme.ApiServer.Pipeline;
using UserInfo = Trireme.ApiServer.Pipeline.UserInfo;
using WireUser = Trireme.Api.Models.Authentication.V1.UserInfo;

namespace Trireme.ApiServer.Authn;

/// <summary>The reviews of <c>authentication.k8s.io</c>: whose token is this, and who am I.</summary>
internal sealed class IdentityReviews(ITokenAuthenticator tokens, IReadOnlyList<string> apiAudiences, TimeProvider timeProvider)
{
    /// <summary>Answers a review.</summary>
    public async Task HandleAsync(HttpContext http, RequestInfo info, UserInfo user)
    {
        if (info.Verb != "create")
        {
            throw new ApiStatusException(ApiStatus.MethodNotSupported(new(info.Group, info.Resource), info.Verb));
        }

        var body = await JsonAnswer.ReadBodyAsync(http);
        http.Response.StatusCode = StatusCodes.Status201Created;
        if (info.Resource == "selfsubjectreviews")
        {
            var self = JsonAnswer.Read<SelfSubjectReview>(body);
            self.Metadata.CreationTimestamp = timeProvider.GetUtcNow();
            self.Status = new SelfSubjectReviewStatus { UserInfo = ToWire(user) };
            await JsonAnswer.WriteAsync(http, self);
            return;
        }

        var review = JsonAnswer.Read<TokenReview>(body);
        if (string.IsNullOrEmpty(review.Spec?.Token))
        {
            throw new ApiStatusException(ApiStatus.BadRequest("spec.token: Required value: token is required for TokenReview in authentication"));
        }

        var audiences = review.Spec.Audiences is { Count: > 0 } wanted ? wanted : apiAudiences;
        var result = await tokens.AuthenticateAsync(review.Spec.Token, audiences, http.RequestAborted);
        review.Status = result.User is { } found
            ? new TokenReviewStatus { Authenticated = true, User = ToWire(found), Audiences = [.. result.Audiences ?? audiences] }
            : new TokenReviewStatus { Error = result.Failure };

        // The answer must not hand the token around once more.
        review.Spec.Token = null;
        await JsonAnswer.WriteAsync(http, review);
    }

    private static WireUser ToWire(UserInfo user) => new()
    {
        Username = user.Name,
        Uid = user.Uid.Length > 0 ? user.Uid : null,
        Groups = [.. user.Groups],
        Extra = user.Extra.Count > 0 ? user.Extra.ToDictionary(e => e.Key, e => e.Value.ToList(), StringComparer.Ordinal) : null,
    };
}
