# Chooses a slot and starts it. U-Boot runs this as boot.scr; @WORDS@ are filled in per board.
#
# The state has the names that RAUC and fw_setenv know: BOOT_ORDER, and for each slot how many
# attempts are left. It lies in slots.env beside this script, and not in uboot.env, since a
# U-Boot that keeps its own environment there would take these few variables for all of it.
setenv state_address ${scriptaddr}
setexpr state_address ${scriptaddr} + 0x20000
if load ${devtype} ${devnum}:1 ${state_address} slots.env; then
  env import -c ${state_address} ${filesize} BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT
fi
test -n "${BOOT_ORDER}" || setenv BOOT_ORDER "A B"
test -n "${BOOT_A_LEFT}" || setenv BOOT_A_LEFT 3
test -n "${BOOT_B_LEFT}" || setenv BOOT_B_LEFT 3
setenv slot
for pass in 1 2; do
  for candidate in ${BOOT_ORDER} A B; do
    if test -n "${slot}"; then
      true
    elif test "${candidate}" = "A" && test ${BOOT_A_LEFT} -gt 0; then
      setexpr BOOT_A_LEFT ${BOOT_A_LEFT} - 1
      setenv slot A
      setenv slot_part 2
      setenv slot_uuid @UUID_A@
    elif test "${candidate}" = "B" && test ${BOOT_B_LEFT} -gt 0; then
      setexpr BOOT_B_LEFT ${BOOT_B_LEFT} - 1
      setenv slot B
      setenv slot_part 3
      setenv slot_uuid @UUID_B@
    fi
  done
  # Attempts used up on both: a board that starts now and then is better than one that never does.
  if test -z "${slot}"; then
    echo "hemoscope: no attempts are left on either slot, counting anew"
    setenv BOOT_A_LEFT 3
    setenv BOOT_B_LEFT 3
  fi
done
env export -c -s 0x4000 ${state_address} BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT
fatwrite ${devtype} ${devnum}:1 ${state_address} slots.env 0x4000
# A text file that a developer may put on this partition: extra_arguments=...
setenv extra_arguments
if test -e ${devtype} ${devnum}:1 extra.env; then
  load ${devtype} ${devnum}:1 ${state_address} extra.env
  env import -t ${state_address} ${filesize} extra_arguments
fi
echo "hemoscope: slot ${slot}, attempts left A ${BOOT_A_LEFT} B ${BOOT_B_LEFT}"
setenv bootargs "root=PARTUUID=${slot_uuid} ro hemoscope.slot=${slot} console=@CONSOLE@ quiet loglevel=3 vt.global_cursor_default=0 panic=5 ${extra_arguments}"
setenv kernel_address @KERNEL_ADDRESS@
setenv ramdisk_address @RAMDISK_ADDRESS@
load ${devtype} ${devnum}:${slot_part} ${kernel_address} /boot/Image && load ${devtype} ${devnum}:${slot_part} ${ramdisk_address} /boot/initramfs && booti ${kernel_address} ${ramdisk_address}:${filesize} @DEVICE_TREE@
echo "hemoscope: slot ${slot} cannot be loaded"
reset
