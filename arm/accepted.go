package arm

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"linkspan/armtypes"
)

// The words of the two addresses under which an operation can be asked about.
const (
	statusPath = "sqlOperationsAzureAsyncOperation"
	resultPath = "sqlOperationsOperationResults"
)

// retryAfter is how long clients wait between polls: in seconds for everybody, in milliseconds for those who read the
// finer header (Azure's Go pipeline does).
const (
	retryAfter   = 1
	retryAfterMs = 100
)

// setPolling gives both polling addresses, made from the configuration.
func (c *call) setPolling(resourceGroup, location string, o *operation) {
	base := c.s.baseURL() + "/subscriptions/" + c.s.o.Subscription + "/resourceGroups/" + url.PathEscape(resourceGroup) +
		"/providers/Microsoft.Sql/locations/" + url.PathEscape(location) + "/"
	tail := "/" + o.id + "?api-version=" + url.QueryEscape(string(c.version))
	h := c.w.Header()
	h.Set("Azure-AsyncOperation", base+statusPath+tail)
	h.Set("Location", base+resultPath+tail)
	c.setRetry()
}

func (c *call) setRetry() {
	c.w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	c.w.Header().Set("x-ms-retry-after-ms", strconv.Itoa(retryAfterMs))
}

// accepted answers 202: where to ask, and in the body the resource as it will be (nil for none) together with the
// operation's name and start, which is what the service itself shows.
func (c *call) accepted(i Instance, o *operation, resource any) error {
	c.setPolling(i.ResourceGroup, i.Location, o)
	body := map[string]any{}
	if resource != nil {
		data, err := json.Marshal(resource)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(data, &body); err != nil {
			return err
		}
	}
	body["operation"], body["startTime"] = o.name, o.started.UTC().Format(time.RFC3339Nano)
	return c.json(http.StatusAccepted, body)
}

func (c *call) operation() (*operation, error) {
	if o := c.s.ops.get(c.path["id"]); o != nil {
		return o, nil
	}
	return nil, armtypes.Errorf(http.StatusNotFound, "OperationIdNotFound", "The operation '%s' is not known: it ended long ago, or the endpoint was started anew since. Look at the resource.", c.path["id"])
}

// getOperation is what Azure-AsyncOperation points to.
func (s *Server) getOperation(c *call) error {
	o, err := c.operation()
	if err != nil {
		return err
	}
	st := o.state()
	if st.Status == armtypes.InProgress {
		c.setRetry()
	}
	return c.json(http.StatusOK, st)
}

// getOperationResult is what Location points to: 202 while it runs, then the resource, nothing, or the error.
func (s *Server) getOperationResult(c *call) error {
	o, err := c.operation()
	if err != nil {
		return err
	}
	st := o.state()
	switch {
	case st.Status == armtypes.InProgress:
		c.setPolling(c.path["rg"], c.path["location"], o)
		c.w.WriteHeader(http.StatusAccepted)
		return nil
	case st.Error != nil:
		e := *st.Error
		if e.Status == 0 {
			e.Status = http.StatusBadRequest
		}
		return &e
	case o.result == nil:
		c.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	v, err := o.result(c.r.Context(), c.version)
	if err != nil {
		return err
	}
	if v == nil {
		return armtypes.Errorf(http.StatusNotFound, "ResourceNotFound", "The resource is gone since the operation ended.")
	}
	return c.json(http.StatusOK, v)
}
