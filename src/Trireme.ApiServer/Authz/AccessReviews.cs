using Microsoft.AspNetCore.Http;
using Trireme.Api;
using Trireme.Api.Models.Authorization.V1;
using Trireme.Api.Schema;
using Trireme.Api.Validation;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Authz;

/// <summary>The reviews of <c>authorization.k8s.io</c>: questions about what somebody may do, which are answered and not stored.</summary>
internal sealed class AccessReviews(IAuthorizer authorizer)
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
        switch (info.Resource)
        {
            case "selfsubjectaccessreviews":
                await AnswerAsync(http, JsonAnswer.Read<SelfSubjectAccessReview>(body), user);
                break;
            case "subjectaccessreviews":
                var review = JsonAnswer.Read<SubjectAccessReview>(body);
                review.Status = Decide("SubjectAccessReview", Required(review.Spec), null);
                await JsonAnswer.WriteAsync(http, review);
                break;
            case "localsubjectaccessreviews":
                await AnswerAsync(http, JsonAnswer.Read<LocalSubjectAccessReview>(body), info);
                break;
            default:
                await AnswerAsync(http, JsonAnswer.Read<SelfSubjectRulesReview>(body), user);
                break;
        }
    }

    private Task AnswerAsync(HttpContext http, SelfSubjectAccessReview review, UserInfo user)
    {
        var spec = review.Spec ?? throw Missing();
        review.Status = Decide("SelfSubjectAccessReview", user, spec.ResourceAttributes, spec.NonResourceAttributes);
        return JsonAnswer.WriteAsync(http, review);
    }

    private Task AnswerAsync(HttpContext http, LocalSubjectAccessReview review, RequestInfo info)
    {
        var spec = Required(review.Spec);
        if (spec.ResourceAttributes is not { } resource || spec.NonResourceAttributes is not null)
        {
            throw Invalid("LocalSubjectAccessReview", FieldError.Invalid(FieldPath.Of("spec", "nonResourceAttributes"), null, "disallowed on this kind of request"));
        }

        if (resource.Namespace != info.Namespace)
        {
            throw new ApiStatusException(ApiStatus.BadRequest($"spec.resourceAttributes.namespace must match the request's namespace \"{info.Namespace}\""));
        }

        review.Status = Decide("LocalSubjectAccessReview", spec, info.Namespace);
        return JsonAnswer.WriteAsync(http, review);
    }

    private Task AnswerAsync(HttpContext http, SelfSubjectRulesReview review, UserInfo user)
    {
        var @namespace = review.Spec?.Namespace;
        if (string.IsNullOrEmpty(@namespace))
        {
            throw new ApiStatusException(ApiStatus.BadRequest("no namespace on request"));
        }

        var (rules, errors) = authorizer.RulesFor(user, @namespace);
        review.Status = new SubjectRulesReviewStatus
        {
            ResourceRules = [.. rules.Where(r => r.Resources is { Count: > 0 }).Select(r => new ResourceRule
            {
                Verbs = r.Verbs,
                ApiGroups = r.ApiGroups,
                Resources = r.Resources,
                ResourceNames = r.ResourceNames,
            })],
            NonResourceRules = [.. rules.Where(r => r.NonResourceURLs is { Count: > 0 }).Select(r => new NonResourceRule { Verbs = r.Verbs, NonResourceURLs = r.NonResourceURLs })],
            Incomplete = errors.Count > 0,
            EvaluationError = errors.Count > 0 ? string.Join(", ", errors) : null,
        };
        return JsonAnswer.WriteAsync(http, review);
    }

    private SubjectAccessReviewStatus Decide(string kind, SubjectAccessReviewSpec spec, string? @namespace)
    {
        if (string.IsNullOrEmpty(spec.User) && spec.Groups is not { Count: > 0 })
        {
            throw Invalid(kind, FieldError.Invalid(FieldPath.Of("spec", "user"), "", "at least one of user or group must be specified"));
        }

        var extra = (spec.Extra ?? []).ToDictionary(e => e.Key, e => (IReadOnlyList<string>)e.Value, StringComparer.Ordinal);
        var user = new UserInfo(spec.User ?? "", spec.Uid ?? "", spec.Groups ?? [], extra);
        if (@namespace is not null && spec.ResourceAttributes is { } resource)
        {
            resource.Namespace = @namespace;
        }

        return Decide(kind, user, spec.ResourceAttributes, spec.NonResourceAttributes);
    }

    private SubjectAccessReviewStatus Decide(string kind, UserInfo user, ResourceAttributes? resource, NonResourceAttributes? path)
    {
        if ((resource is null) == (path is null))
        {
            var field = FieldPath.Of("spec", resource is null ? "resourceAttributes" : "nonResourceAttributes");
            throw Invalid(
                kind,
                resource is null
                    ? FieldError.Invalid(field, null, "exactly one of nonResourceAttributes or resourceAttributes must be specified")
                    : FieldError.Invalid(field, null, "cannot be specified in combination with resourceAttributes"));
        }

        var attributes = resource is not null
            ? new AuthorizationAttributes
            {
                User = user,
                Verb = resource.Verb ?? "",
                IsResourceRequest = true,
                Namespace = resource.Namespace ?? "",
                Group = resource.Group ?? "",
                Version = resource.Version ?? "",
                Resource = resource.Resource ?? "",
                Subresource = resource.Subresource ?? "",
                Name = resource.Name ?? "",
                LabelSelector = resource.LabelSelector?.RawSelector ?? "",
                FieldSelector = resource.FieldSelector?.RawSelector ?? "",
            }
            : new AuthorizationAttributes { User = user, Verb = path!.Verb ?? "", Path = path.Path ?? "" };
        var answer = authorizer.Authorize(attributes);
        return new SubjectAccessReviewStatus
        {
            Allowed = answer.IsAllowed,
            Denied = answer.Decision == AuthorizationDecision.Deny,
            Reason = answer.Reason.Length > 0 ? answer.Reason : null,
        };
    }

    private static ApiStatusException Invalid(string kind, FieldError error) =>
        new(ApiStatus.Invalid(new GroupKind("authorization.k8s.io", kind), "", [error]));

    private static SubjectAccessReviewSpec Required(SubjectAccessReviewSpec? spec) => spec ?? throw Missing();

    private static ApiStatusException Missing() => new(ApiStatus.BadRequest("spec: Required value"));
}
