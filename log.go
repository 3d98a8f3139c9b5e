package starling

// This file writes a node's few log lines. The user's slog.Handler is user code and may be slow, so
// it runs on a goroutine of its own, which exists only while there is something to write.

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

const (
	logQueue  = 64          // lines that wait for a slow handler; more are dropped
	logPause  = time.Minute // between two lines about the same thing
	logTopics = 32          // things whose last line is remembered; beyond, each text has one
)

type logger struct {
	to   *slog.Logger // nil: no log
	last map[string]gossip.Time

	mu      sync.Mutex
	lines   []logLine
	writing bool
}

type logLine struct {
	level slog.Level
	text  string
	args  []any
}

// warn writes a line unless there was one about the same thing in the last minute. Only for the
// node's goroutine.
func (l *logger) warn(now gossip.Time, about, text string, args ...any) {
	l.say(slog.LevelWarn, now, about, text, args)
}

// info is warn for good news.
func (l *logger) info(now gossip.Time, about, text string, args ...any) {
	l.say(slog.LevelInfo, now, about, text, args)
}

func (l *logger) say(level slog.Level, now gossip.Time, about, text string, args []any) {
	if l.to == nil {
		return
	}
	if _, known := l.last[about]; !known && len(l.last) >= logTopics {
		maps.DeleteFunc(l.last, func(_ string,
			at gossip.Time) bool {
			return now.Sub(at) >= logPause
		})
		if len(l.last) >= logTopics {
			about = text // a constant, and so are few
		}
	}
	if last, ok := l.last[about]; ok && now.Sub(last) < logPause {
		return
	}
	if l.last == nil {
		l.last = make(map[string]gossip.Time)
	}
	l.last[about] = now
	l.write(logLine{level, text, args})
}

func (l *logger) error(text string, args ...any) { l.write(logLine{slog.LevelError, text, args}) }

// write never waits. Safe from any goroutine.
func (l *logger) write(line logLine) {
	if l.to == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == logQueue {
		return
	}
	l.lines = append(l.lines, line)
	if !l.writing {
		l.writing = true
		go l.drain()
	}
}

func (l *logger) drain() {
	for {
		l.mu.Lock()
		lines := l.lines
		l.lines = nil
		l.writing = len(lines) > 0
		l.mu.Unlock()
		if len(lines) == 0 {
			return
		}
		for _, line := range lines {
			l.to.Log(context.Background(), line.level, line.text, line.args...)
		}
	}
}
