// Package authorize takes authorization requests from their arrival to the code: at the
// authorization endpoint, pushed (RFC 9126), or by the doors of the device grant (RFC 8628)
// and of CIBA, which are answered on another device.
//
// It never renders a page and never reads a cookie: the browser's session comes in through
// [Sessions], and where a page is needed the answer says which ([response.Next]). A page
// does its part and sends the browser back; what comes next is decided anew each time
// (authz/interaction).
//
// The life of a request: [Doors] or [Authorizer.Authorize] check it once, and it waits as a
// [grant.Pending] under a handle; when the person has answered, a [grant.Grant] begins with
// a code, in the commit that ends the request.
package authorize
