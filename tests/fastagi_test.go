package tests

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"

	"adcredit/tests/fakeasterisk"
)

var serves = regexp.MustCompile(`msg="adcredit serves FastAGI" .* listen=(127\.0\.0\.1:\d+) `)

// fastAGI starts adcredit -fastagi, whose log is standard error, and gives its
// URL. end lets it drain, and fails unless it ends in order.
func fastAGI(ctx context.Context, program string, environ []string) (url string, end func() error, err error) {
	cmd := exec.CommandContext(ctx, program, "-fastagi", "127.0.0.1:0")
	cmd.Env = environ
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return "", nil, err
	}
	var log strings.Builder
	lines := bufio.NewReader(io.TeeReader(stderr, &log))
	for url == "" && err == nil {
		var line string
		line, err = lines.ReadString('\n')
		if m := serves.FindStringSubmatch(line); m != nil {
			url = fakeasterisk.Network + m[1] + "/adcredit"
		}
	}
	read := make(chan struct{})
	go func() { defer close(read); io.Copy(io.Discard, lines) }()
	end = func() error {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		limit := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
		defer limit.Stop()
		<-read
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("adcredit -fastagi: %w\n%s", err, &log)
		}
		if strings.Contains(log.String(), "panic") || !strings.Contains(log.String(), "msg=stopped") {
			return fmt.Errorf("adcredit -fastagi has ended with\n%s", &log)
		}
		return nil
	}
	if err != nil {
		return "", nil, fmt.Errorf("adcredit -fastagi does not serve: %w, %w", err, end())
	}
	return url, end, nil
}
