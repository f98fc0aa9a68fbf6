package armclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"linkspan/armtypes"
)

// IsNotFound reports whether err says that the resource does not exist.
func IsNotFound(err error) bool {
	var e *armtypes.Error
	return errors.As(err, &e) && e.Status == http.StatusNotFound
}

// send makes one request and returns the response when its status is one of want.
func (c *Client) send(ctx context.Context, method, path string, body any, want ...int) (*http.Response, error) {
	req, err := runtime.NewRequest(ctx, method, runtime.JoinPaths(c.arm.Endpoint(), path))
	if err != nil {
		return nil, err
	}
	q := req.Raw().URL.Query()
	q.Set("api-version", string(c.version))
	req.Raw().URL.RawQuery = q.Encode()
	req.Raw().Header.Set("Accept", "application/json")
	if body != nil {
		if err := runtime.MarshalAsJSON(req, body); err != nil {
			return nil, err
		}
	}
	resp, err := c.arm.Pipeline().Do(req)
	if err != nil {
		return nil, asError(err)
	}
	if !runtime.HasStatusCode(resp, want...) {
		return nil, asError(runtime.NewResponseError(resp))
	}
	return resp, nil
}

// get reads a resource into v.
func (c *Client) get(ctx context.Context, path string, v any) error {
	resp, err := c.send(ctx, http.MethodGet, path, nil, http.StatusOK)
	if err != nil {
		return err
	}
	return runtime.UnmarshalAsJSON(resp, v)
}

// list reads all pages of a collection.
func list[T any](ctx context.Context, c *Client, path string) ([]T, error) {
	var out []T
	for path != "" {
		var page armtypes.List[T]
		if err := c.get(ctx, path, &page); err != nil {
			return nil, err
		}
		out = append(out, page.Value...)
		next, err := c.nextPath(page.NextLink)
		if err != nil {
			return nil, err
		}
		path = next
	}
	return out, nil
}

// nextPath is the path of the next page. A link to another host is refused: the token would go there.
func (c *Client) nextPath(link string) (string, error) {
	if link == "" {
		return "", nil
	}
	u, err := url.Parse(link)
	if err != nil || !strings.EqualFold(u.Scheme+"://"+u.Host, strings.TrimRight(c.arm.Endpoint(), "/")) {
		return "", fmt.Errorf("the server's next page %q is not on its own host", link)
	}
	u.Scheme, u.Host = "", ""
	return u.String(), nil
}

// run makes a request that may become a long-running operation, and waits for its end. v, when not nil, receives the
// resource.
func (c *Client) run(ctx context.Context, method, path string, body, v any) error {
	resp, err := c.send(ctx, method, path, body, http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent)
	if err != nil {
		return err
	}
	poller, err := runtime.NewPoller[json.RawMessage](resp, c.arm.Pipeline(), nil)
	if err != nil {
		return asError(err)
	}
	result, err := poller.PollUntilDone(ctx, &runtime.PollUntilDoneOptions{Frequency: pollEvery})
	if err != nil {
		return asError(err)
	}
	if v == nil || len(result) == 0 {
		return nil
	}
	return json.Unmarshal(result, v)
}

// asError turns azcore's error into the API's.
func asError(err error) error {
	var re *azcore.ResponseError
	if !errors.As(err, &re) {
		return err
	}
	e := &armtypes.Error{Status: re.StatusCode, Code: re.ErrorCode}
	if re.RawResponse != nil {
		var body armtypes.ErrorBody
		if data, err := runtime.Payload(re.RawResponse); err == nil && armtypes.DecodeJSON(data, &body) == nil && body.Error != nil {
			e.Code, e.Message, e.Target = body.Error.Code, body.Error.Message, body.Error.Target
		}
		if re.StatusCode == http.StatusOK {
			e.Status = 0 // an operation that failed: the status is that of the question about it
		}
	}
	if e.Message == "" {
		e.Message = "the server gave no reason"
	}
	return e
}
