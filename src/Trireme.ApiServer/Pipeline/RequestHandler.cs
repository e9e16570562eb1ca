using Microsoft.AspNetCore.Http;

namespace Trireme.ApiServer.Pipeline;

/// <summary>The rest of the pipeline as a stage sees it.</summary>
internal delegate Task RequestHandler(HttpContext http, RequestContext context);
