package main

// This file sets fields of the nodes' configuration by their names, so that a new one needs no
// flag.

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// setField sets the field of a struct that a path such as swim.period names; case does not count.
func setField(v reflect.Value, path, value string) error {
	head, rest, deeper := strings.Cut(path, ".")
	field, isField := v.Type().FieldByNameFunc(func(n string) bool {
		return strings.EqualFold(n, head)
	})
	if !isField || !field.IsExported() {
		var names []string
		for i := range v.NumField() {
			names = append(names, strings.ToLower(v.Type().Field(i).Name))
		}
		return fmt.Errorf("there is no field %q; there are %s", head, strings.Join(names, ", "))
	}
	to := v.FieldByIndex(field.Index)
	if isStruct := to.Kind() == reflect.Struct; isStruct != deeper {
		return fmt.Errorf("%s is %s", head, map[bool]string{true: "a group of fields: write " +
			head + ".FIELD", false: "no group of fields"}[isStruct])
	}
	if deeper {
		return setField(to, rest, value)
	}
	return setValue(to, value)
}

// setValue reads a value of the kind that a field has.
func setValue(to reflect.Value, value string) error {
	if to.Type() == reflect.TypeFor[time.Duration]() {
		d, err := time.ParseDuration(value)
		if err != nil {
			return fmt.Errorf("%q is not a time such as 5s or 40ms", value)
		}
		to.SetInt(int64(d))
		return nil
	}
	switch to.Kind() {
	case reflect.String:
		to.SetString(value)
	case reflect.Bool:
		b, err := strconv.ParseBool(value)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", value)
		}
		to.SetBool(b)
	case reflect.Int:
		n, err := strconv.Atoi(value)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", value)
		}
		to.SetInt(int64(n))
	case reflect.Float64:
		x, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return fmt.Errorf("%q is not a number", value)
		}
		to.SetFloat(x)
	default:
		return fmt.Errorf("a field of this kind cannot be set here")
	}
	return nil
}
