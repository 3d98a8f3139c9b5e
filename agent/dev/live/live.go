// Package live shows a run of package dev on a terminal.
package live
