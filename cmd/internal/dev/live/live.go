// Package live shows a run of package dev on a terminal: a flock with a bird for each node, in the
// colours of what the others hold it to be, and the steps with their times beside it.
package live

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"

	"github.com/starling-gossip/starling/cmd/internal/dev"
)

const (
	frameTime = 40 * time.Millisecond
	pause     = 1600 * time.Millisecond // between steps: long enough to see what happened
	afterglow = 3 * time.Second         // at the end, before the screen is given back
)

// ErrQuit says that the user ended the run before its end.
var ErrQuit = errors.New("ended by the user")

// Options are what a run is shown with.
type Options struct {
	Config  dev.Config
	Cluster *dev.Cluster
	Color   bool
	In      io.Reader
	Out     io.Writer
	Hold    bool            // stay until the user ends it
	Held    func() []string // called once at the end of a script that is held; returns what to try
}

// Run plays the script and shows it until its end, or until the user ends it. It returns the
// results as lines for the screen that is given back.
func Run(ctx context.Context, o Options) (lines string, err error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	renderer := lipgloss.NewRenderer(o.Out)
	if !o.Color {
		renderer.SetColorProfile(termenv.Ascii)
	}
	// asks the terminal, which must not happen while the program reads from it
	renderer.HasDarkBackground()
	o.Config.Pause = pause
	m := newModel(o, renderer)
	program := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(o.In), tea.WithOutput(o.Out),
		tea.WithAltScreen(), tea.WithoutSignalHandler())

	var text strings.Builder
	plain := dev.Plain(&text)
	var ran sync.WaitGroup
	var runErr error
	ran.Go(func() {
		_, runErr = dev.Run(ctx, o.Config, o.Cluster, func(u dev.Update) {
			plain(u)
			program.Send(u)
		})
		program.Send(doneMsg{runErr})
	})
	_, showErr := program.Run()
	stop(ErrQuit)
	ran.Wait()
	if errors.Is(runErr, context.Canceled) || errors.Is(runErr, ErrQuit) {
		return text.String(), ErrQuit
	}
	if errors.Is(showErr, tea.ErrProgramKilled) && runErr == nil {
		showErr = nil // the context ended it
	}
	return text.String(), errors.Join(runErr, showErr)
}

// doneMsg tells that the script is over.
type doneMsg struct{ err error }

// tickMsg tells that it is time for the next picture.
type tickMsg time.Time

func tick() tea.Cmd { return tea.Tick(frameTime, func(t time.Time) tea.Msg { return tickMsg(t) }) }

// model is bubbletea's: it owns all that is shown.
type model struct {
	o        Options
	flock    *flock
	side     *side
	canvas   *canvas
	frame    []dev.Bird
	w, h     int
	start    time.Time
	now      time.Duration // since start
	doneAt   time.Duration // 0: not yet
	hints    []string
	progress [2]int
}

func newModel(o Options, r *lipgloss.Renderer) *model {
	n := o.Config.Nodes
	return &model{o: o, flock: newFlock(n), side: newSide(r), canvas: newCanvas(r),
		frame: make([]dev.Bird, n),
		w:     80, h: 24, start: time.Now()}
}

// Init starts the clock.
func (m *model) Init() tea.Cmd { return tick() }

// Update takes what happens: keys, sizes, the script, the time.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.w, m.h = msg.Width, msg.Height
	case tea.KeyMsg:
		switch msg.String() {
		case "q", "esc", "ctrl+c":
			return m, tea.Quit
		}
	case dev.Update:
		m.side.take(msg)
		if msg.Wave != nil {
			m.flock.show(m.now, msg.Wave)
		}
	case doneMsg:
		if msg.err != nil {
			return m, tea.Quit
		}
		m.doneAt = m.now
		if m.o.Hold {
			m.hints = m.o.Held()
		}
	case tickMsg:
		m.now = time.Time(msg).Sub(m.start)
		m.o.Cluster.Frame(m.frame)
		m.progress[0], m.progress[1] = m.o.Cluster.Progress()
		m.flock.look(m.now, m.frame)
		if w := m.o.Cluster.Overheard(); w != nil {
			m.flock.show(m.now, w)
		}
		if m.doneAt > 0 && !m.o.Hold && m.now-m.doneAt > afterglow {
			return m, tea.Quit
		}
		return m, tick()
	}
	return m, nil
}
